"""`singleshot models`: list recipes, show their networks, import and download weights."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from singleshot.cli.checks import check_recipe, check_weights
from singleshot.cli.help import GroupedCommand
from singleshot.cli.options import Debug, Json, Overrides, Recipe, examples
from singleshot.cli.output import note, print_json, print_result
from singleshot.report.text import table

if TYPE_CHECKING:
    from singleshot.models.listing import RecipeSummary
    from singleshot.models.opening import Imported
    from singleshot.models.pretrained import PretrainedModel

LIST_EXAMPLES = examples("singleshot models list", "singleshot models list --pretrained --json")
SHOW_EXAMPLES = examples(
    "singleshot models show ssd300-vgg16",
    "singleshot models show ssdlite320-lite0 --num-classes 3 --json",
)
RECIPE_EXAMPLES = examples(
    "singleshot models recipe ssdlite320-lite0",
    "singleshot models recipe ssd300-vgg16 --full",
)
IMPORT_EXAMPLES = examples(
    "singleshot models import ssd300_vgg16_coco.pth --output runs/coco",
    "singleshot models import deploy.prototxt --from caffe --output runs/faces",
)
DOWNLOAD_EXAMPLES = examples(
    "singleshot models download ssdlite320-coco",
    "singleshot predict ssdlite320-coco photo.jpg",
)

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


@app.callback(epilog=examples("singleshot models list", "singleshot models show ssd300-vgg16"))
def models() -> None:
    """List and show recipes, import and download weights."""


@app.command("list", cls=GroupedCommand, epilog=LIST_EXAMPLES)
def _list_models(
    pretrained: Annotated[
        bool,
        typer.Option("--pretrained", help="List published detectors that `download` fetches."),
    ] = False,
    json: Json = False,
    _debug: Debug = False,
) -> None:
    """List the shipped recipes.

    Parameters are counted with VOC's 20 classes.
    """
    import singleshot

    if pretrained:
        _list_pretrained(json=json)
        return
    found = singleshot.list_recipes()
    if json:
        print_json([_recipe_json(recipe) for recipe in found])
        return
    header = ["recipe", "input", "boxes", "parameters", "preset"]
    print_result(table(header, [_recipe_row(recipe) for recipe in found]))
    note("auto is none of them: `singleshot train auto --data DATA` chooses one for the data")


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


def _list_pretrained(*, json: bool) -> None:
    """Print the published detectors; AP is COCO's, as published."""
    from singleshot.models.pretrained import list_pretrained

    models = list_pretrained()
    if json:
        print_json([model.to_json() for model in models])
        return
    header = ["name", "detector", "trained on", "AP", "MB", "licence", "downloaded"]
    print_result(table(header, [_pretrained_row(model) for model in models]))


def _pretrained_row(model: "PretrainedModel") -> list[str]:
    """Make the table row of a published detector."""
    size, downloaded = f"{model.size / 1e6:.0f}", "yes" if model.is_downloaded else "no"
    about = [model.name, model.about, model.trained_on]
    return [*about, f"{model.ap:.3f}", size, model.licence, downloaded]


@app.command("show", cls=GroupedCommand, epilog=SHOW_EXAMPLES)
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
    check_recipe(recipe, overrides)
    import singleshot

    document = singleshot.show_model(recipe, num_classes, overrides).to_json()
    if json:
        print_json(document)
    else:
        print_result(_summary(document))


@app.command("recipe", cls=GroupedCommand, epilog=RECIPE_EXAMPLES)
def _print_recipe(
    recipe: Recipe,
    *,
    full: Annotated[
        bool, typer.Option("--full", help="Write out every key, with its default.")
    ] = False,
    _debug: Debug = False,
) -> None:
    """Print a recipe as TOML, to begin one of your own with.

    A recipe that is printed, saved and changed is trained by its path.
    """
    import singleshot

    print_result(singleshot.recipe_text(recipe, full=full))


@app.command("import", cls=GroupedCommand, epilog=IMPORT_EXAMPLES)
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
    check_weights(file)
    import singleshot

    _print_imported(singleshot.import_model(file, kind=kind, output=output))


@app.command("download", cls=GroupedCommand, epilog=DOWNLOAD_EXAMPLES)
def _download_model(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME", help="A published detector; models list --pretrained lists them."
        ),
    ],
    _debug: Debug = False,
) -> None:
    """Download a published detector.

    Its name then stands for it wherever a MODEL is given. The file is verified by its SHA-256; a
    download that was cut off is continued. The detector is kept in SINGLESHOT_CACHE, by default
    ~/.cache/singleshot; SINGLESHOT_DOWNLOAD_URL names another address to fetch the file from.
    """
    from singleshot.models.pretrained import pretrained_model

    model = pretrained_model(name)
    note(f"{name}: {model.about}, trained on {model.trained_on}; AP {model.ap} (published)")
    note(f"source: {model.source}, {model.licence}")
    if model.is_downloaded:
        note("downloaded before")
    else:
        note(f"from: {model.address} ({model.size / 1e6:.1f} MB)")

    import singleshot

    _print_imported(singleshot.download_model(name, progress=True))


def _print_imported(imported: "Imported") -> None:
    """Print the run folder that imported weights are in, and what it holds."""
    print_result(f"run: {imported.folder}")
    print_result(f"kind: {imported.kind}")
    height, width = imported.input
    print_result(f"input: {height} x {width} (height x width)")
    first, more = imported.class_names[:5], len(imported.class_names) - 5
    and_more = f" and {more} more" if more > 0 else ""
    print_result(f"classes: {', '.join(first)}{and_more}")


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
