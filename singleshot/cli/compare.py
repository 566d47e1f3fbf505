"""`singleshot compare`: which of several detectors to take, and the tutorial's tables."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from singleshot.cli.options import (
    Debug,
    IouThreshold,
    Json,
    MeasuredSplit,
    Protocol,
    ReportFolder,
    examples,
)
from singleshot.cli.output import note, print_json
from singleshot.comparison.tables import summary, tutorial_summary
from singleshot.errors import SingleshotError

if TYPE_CHECKING:
    from singleshot.comparison.contest import Contest
    from singleshot.comparison.tutorial_tables import TutorialResult

HALF, SPEED_IMAGES = 0.5, 20

EXAMPLES = examples(
    "singleshot compare runs/cells runs/cells-2 --data cells --report compared",
    "singleshot compare --tutorial --report tutorial",
)


def compare(
    models: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="MODEL",
            help="Run folders or checkpoints, two at least; with --tutorial any number, as "
            "RECIPE=RUN where the folder has another name than the recipe.",
        ),
    ] = None,
    *,
    data: Annotated[
        list[str] | None,
        typer.Option(metavar="DATA", help="Annotated images; given twice, joined by class name."),
    ] = None,
    split: MeasuredSplit = None,
    protocol: Protocol = "coco",
    iou_threshold: IouThreshold = HALF,
    json: Json = False,
    report: ReportFolder = None,
    speed_images: Annotated[
        int, typer.Option(min=1, metavar="N", help="Images that each is timed on, one by one.")
    ] = SPEED_IMAGES,
    published: Annotated[
        bool,
        typer.Option(
            "--published",
            help="Quote what papers say of the original systems, too, with source and hardware.",
        ),
    ] = False,
    tutorial: Annotated[
        bool,
        typer.Option(
            "--tutorial",
            help="Rebuild the tutorial's tables: every system at full size, measured here.",
        ),
    ] = False,
    _debug: Debug = False,
) -> None:
    """Compare detectors on the same images, by the same rules, on this machine.

    Accuracy with intervals, speed by phases, memory, size, and which differences the images can
    tell. Keep the machine free meanwhile.
    """
    import singleshot
    from singleshot.cli.progress import image_progress

    require_what_belongs_together(data, iou_threshold, speed_images, tutorial=tutorial)
    with image_progress() as progress:
        result: Contest | TutorialResult
        if tutorial:
            result = singleshot.compare_with_tutorial(
                by_recipe(models or []),
                data or None,
                split=split,
                protocol=protocol,
                progress=progress,
                on_message=note,
                report=report,
            )
        else:
            result = singleshot.compare(
                models or [],
                data or [],
                split=split,
                protocol=protocol,
                iou_threshold=iou_threshold,
                speed_images=speed_images,
                published=published,
                progress=progress,
                on_message=note,
                report=report,
            )
    if report is not None:
        note(f"Report: {report / 'report.html'}")
    if json:
        print_json(result.to_json())
    else:
        typer.echo((tutorial_summary if tutorial else summary)(result.to_json()))


def require_what_belongs_together(
    data: list[str] | None, iou_threshold: float, speed_images: int, *, tutorial: bool
) -> None:
    """Raises SingleshotError when an option is missing, or has no meaning beside --tutorial."""
    if not (tutorial or data):
        raise SingleshotError("say which images to compare on: --data DATA")
    if tutorial and (iou_threshold, speed_images) != (HALF, SPEED_IMAGES):
        raise SingleshotError(
            "--tutorial has its own IoU threshold and number of images: leave out "
            "--iou-threshold and --speed-images"
        )


def by_recipe(models: list[str]) -> dict[str, str]:
    """Runs by the names of their recipes: as they are said, else as their folders are called.

    Raises SingleshotError for a second run of one system.
    """
    found: dict[str, str] = {}
    for name, is_said, path in (model.partition("=") for model in models):
        recipe, run = (name, path) if is_said else (Path(name).name, name)
        if recipe in found:
            raise SingleshotError(
                f"{found[recipe]} and {run} are both of {recipe}; the tables have a place for one"
            )
        found[recipe] = run
    return found
