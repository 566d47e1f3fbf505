"""`singleshot models`: which recipes there are, and what a recipe builds."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from singleshot.cli.options import Debug, Json, Overrides, Recipe, examples
from singleshot.cli.output import print_json, table

LIST_EXAMPLES = examples("singleshot models list", "singleshot models list --json")
SHOW_EXAMPLES = examples(
    "singleshot models show ssd300-vgg16",
    "singleshot models show ssdlite320-lite0 --num-classes 3 --json",
)

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


@app.callback(epilog=examples("singleshot models list", "singleshot models show ssd300-vgg16"))
def models() -> None:
    """List recipes, and show what they build."""


@app.command("list", epilog=LIST_EXAMPLES)
def list_models(json: Json = False, _debug: Debug = False) -> None:
    """List the shipped recipes."""
    from singleshot import api

    found = [
        {"recipe": recipe.name, "input": list(recipe.input), "about": recipe.about}
        for recipe in api.recipes()
    ]
    if json:
        print_json(found)
    else:
        typer.echo("\n".join(f"{row['recipe']}\n    {row['about']}" for row in found))


@app.command("show", epilog=SHOW_EXAMPLES)
def show_model(
    recipe: Recipe,
    *,
    num_classes: Annotated[
        int, typer.Option(min=1, metavar="N", help="How many classes, background not counted.")
    ] = 20,
    overrides: Overrides = [],  # noqa: B006 (typer's way to say: none)
    json: Json = False,
    _debug: Debug = False,
) -> None:
    """Show the network a recipe builds.

    Its parameters, multiply-adds (macs), levels and priors.
    """
    from singleshot import api

    document = api.show_model(recipe, num_classes, overrides).to_json()
    if json:
        print_json(document)
    else:
        typer.echo(summary(document))


def summary(document: Mapping[str, Any]) -> str:
    """The network for a person: the whole first, then every level."""
    height, width = document["input"]
    whole = [
        f"recipe      {document['recipe']}",
        f"input       {height} x {width} (height x width)",
        f"parameters  {document['parameters']:,}",
        f"macs        {document['macs']:,}",
        f"priors      {document['num_boxes']:,}",
    ]
    header = ["level", "grid", "stride", "channels", "priors per cell"]
    rows = [level_row(index, level) for index, level in enumerate(document["levels"])]
    return "\n".join([*whole, "", table(header, rows)])


def level_row(index: int, level: Mapping[str, Any]) -> list[str]:
    """The cells of one level."""
    stride = level["stride"]
    return [
        str(index),
        " x ".join(map(str, level["grid"])),
        " x ".join(f"{side:g}" for side in stride) if isinstance(stride, list) else f"{stride:g}",
        str(level["channels"]),
        str(level["priors_per_cell"]),
    ]
