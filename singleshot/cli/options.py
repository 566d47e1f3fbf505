"""What several commands share: their options, and how a help text ends."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from singleshot.version import __version__

__all__ = [
    "Against",
    "Attributes",
    "Choose",
    "Data",
    "DataSets",
    "Debug",
    "Diagnose",
    "IouThreshold",
    "Json",
    "MeasuredSplit",
    "Model",
    "Overrides",
    "Protocol",
    "Recipe",
    "ReportFolder",
    "Session",
    "TrainingSplit",
    "Version",
    "examples",
]


@dataclass
class Session:
    """What holds for one call of the program, before or after the name of the command."""

    debug: bool = False


def remember_debug(context: Any, value: bool) -> None:
    """Note that tracebacks are wanted, wherever on the line it was said."""
    # Any: what typer hands over is not the typer.Context that it documents, but its base class.
    if value:
        context.obj.debug = True


def print_version(value: bool) -> None:
    """Print the version and leave."""
    if value:
        typer.echo(f"singleshot {__version__}")
        raise typer.Exit


def examples(*commands: str) -> str:
    """The end of a help text: commands that work when pasted."""
    # \b keeps the line breaks of the paragraph.
    return "\n".join(["Examples:\n\n\b", *(f"  {command}" for command in commands)])


Debug = Annotated[
    bool,
    typer.Option(
        "--debug",
        callback=remember_debug,
        expose_value=False,
        help="Show the traceback of an error.",
    ),
]
Version = Annotated[
    bool,
    typer.Option(
        "--version",
        callback=print_version,
        expose_value=False,
        is_eager=True,
        help="Print the version and leave.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]
Model = Annotated[str, typer.Argument(metavar="MODEL", help="A run folder or a checkpoint.")]
Data = Annotated[
    str, typer.Argument(metavar="DATA", help="A folder or JSON file of annotated images.")
]
DataSets = Annotated[
    list[str],
    typer.Option(
        "--data",
        metavar="DATA",
        help="A folder or JSON file of annotated images; repeated, the data sets are joined by "
        "class name.",
    ),
]
TrainingSplit = Annotated[
    str | None,
    typer.Option("--split", help="Images to learn from; a+b joins two. Left out: train, else all."),
]
MeasuredSplit = Annotated[
    str | None, typer.Option(help="Images to measure on. Left out: test, else val, else all.")
]
Protocol = Annotated[
    Literal["voc07", "voc10", "coco"],
    typer.Option(help="Whose rules to measure by: VOC's at 11 points or every point, COCO's."),
]
IouThreshold = Annotated[
    float,
    typer.Option(
        min=0.01,
        max=1,
        metavar="T",
        help="IoU from which a detection is a hit; COCO's own twelve numbers keep their own.",
    ),
]
Diagnose = Annotated[
    bool,
    typer.Option(
        "--diagnose",
        help="Say where it goes wrong: kinds of errors, confusion, calibration, slices, suspects.",
    ),
]
Attributes = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="A CSV table of images and their attributes, as in image,weather: slices by each.",
    ),
]
Against = Annotated[
    Path | None,
    typer.Option(
        metavar="PREDICTIONS",
        help="Other detections on the same images: how much better, with a 95 % interval.",
    ),
]
Choose = Annotated[
    str | None,
    typer.Option(
        metavar="RULE",
        help="Choose a score threshold for each class: precision=0.95, recall=0.9, alarms=0.1 "
        "(an image) or f1. A run keeps them, and predict uses them.",
    ),
]
ReportFolder = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Write report.html, which needs no other file."),
]
Recipe = Annotated[
    str,
    typer.Argument(
        metavar="RECIPE", help="The name of a shipped recipe (see: models list) or a TOML file."
    ),
]
Overrides = Annotated[
    list[str],
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Change one value of the recipe, as in training.epochs=20; may be repeated.",
    ),
]
