"""`singleshot models`: list recipes, show their networks, import weights."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from singleshot.cli.options import Debug, Json, Overrides, Recipe, examples
from singleshot.cli.output import print_json
from singleshot.report.text import table

if TYPE_CHECKING:
    from singleshot.models.listing import RecipeSummary

LIST_EXAMPLES = examples("singleshot models list", "singleshot models list --json")
SHOW_EXAMPLES = examples(
    "singleshot models show ssd300-vgg16",
    "singleshot models show ssdlite320-lite0 --num-classes 3 --json",
)
IMPORT_EXAMPLES = examples(
    "singleshot models import ssd300_vgg16_coco.pth --output runs/coco",
    "singleshot models import deploy.prototxt --from caffe --output runs/faces",
)

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


@app.callback(epilog=examples("singleshot models list", "singleshot models show ssd300-vgg16"))
def models() -> None:
    """List recipes, show their networks, and import pretrained weights."""


@app.command("list", epilog=LIST_EXAMPLES)
def _list_models(json: Json = False, _debug: Debug = False) -> None:
    """List the shipped recipes.

    Parameters are counted with VOC's 20 classes.
    """
    import singleshot

    found = singleshot.list_recipes()
    if json:
        print_json([_recipe_json(recipe) for recipe in found])
        return
    header = ["recipe", "input", "boxes", "parameters", "preset"]
    typer.echo(table(header, [_recipe_row(recipe) for recipe in found]))


def _recipe_json(recipe: "RecipeSummary") -> dict[str, Any]:
    """Convert a recipe's summary to JSON."""
    return {
        "recipe": recipe.name,
        "input": list(recipe.input),
        "num_boxes": recipe.num_boxes,
        "parameters": recipe.parameters,
        "preset": recipe.preset,
        "about": recipe.about,
    }


def _recipe_row(recipe: "RecipeSummary") -> list[str]:
    """Make the table row of a recipe."""
    height, width = recipe.input
    size = f"{height} x {width}"
    boxes, parameters = f"{recipe.num_boxes:,}", f"{recipe.parameters:,}"
    return [recipe.name, size, boxes, parameters, recipe.preset]


@app.command("show", epilog=SHOW_EXAMPLES)
def _show_model(
    recipe: Recipe,
    *,
    num_classes: Annotated[
        int, typer.Option(min=1, metavar="N", help="Number of classes, without background.")
    ] = 20,
    overrides: Overrides = [],  # noqa: B006 (typer's form of: none)
    json: Json = False,
    _debug: Debug = False,
) -> None:
    """Show the network of a recipe.

    Prints its parameters, multiply-adds (macs), levels and priors.
    """
    import singleshot

    document = singleshot.show_model(recipe, num_classes, overrides).to_json()
    if json:
        print_json(document)
    else:
        typer.echo(_summary(document))


@app.command("import", epilog=IMPORT_EXAMPLES)
def _import_model(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="File of the weights; for Caffe, Darknet and TensorFlow.js any file of the model.",
        ),
    ],
    *,
    kind: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="KIND",
            help="torchvision, amdegroot, lufficc, qfgaohao, caffe, tensorflow, ultraface or "
            "darknet. Default: detected from the content.",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(metavar="RUN", help="Run folder to write. Default: the first free in runs/."),
    ] = None,
    _debug: Debug = False,
) -> None:
    """Import pretrained weights of another project as a run folder.

    The run is evaluated, used for prediction and fine-tuned like any other. Code inside a file is
    never run.
    """
    import singleshot

    imported = singleshot.import_model(file, kind=kind, output=output)
    typer.echo(f"run: {imported.folder}")
    typer.echo(f"kind: {imported.kind}")
    height, width = imported.input
    typer.echo(f"input: {height} x {width} (height x width)")
    first, more = imported.class_names[:5], len(imported.class_names) - 5
    and_more = f" and {more} more" if more > 0 else ""
    typer.echo(f"classes: {', '.join(first)}{and_more}")


def _summary(document: Mapping[str, Any]) -> str:
    """Describe the network as text: first the totals, then every level."""
    height, width = document["input"]
    whole = [
        f"recipe      {document['recipe']}",
        f"input       {height} x {width} (height x width)",
        f"parameters  {document['parameters']:,}",
        f"macs        {document['macs']:,}",
        f"boxes       {document['num_boxes']:,}",
    ]
    if not document["levels"]:
        return "\n".join(whole)
    header = ["level", "grid", "stride", "channels", "priors per cell"]
    header += ["box channels", "class channels"]
    rows = [_level_row(index, level) for index, level in enumerate(document["levels"])]
    return "\n".join([*whole, "", table(header, rows)])


def _level_row(index: int, level: Mapping[str, Any]) -> list[str]:
    """Make the table row of a level."""
    stride = level["stride"]
    return [
        str(index),
        " x ".join(map(str, level["grid"])),
        " x ".join(f"{side:g}" for side in stride) if isinstance(stride, list) else f"{stride:g}",
        *(
            str(level[key])
            for key in ("channels", "priors_per_cell", "box_channels", "class_channels")
        ),
    ]
