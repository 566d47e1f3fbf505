"""`singleshot compare`: rank detectors by accuracy, speed and size, or rebuild the tutorial."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from singleshot.cli.checks import check_data, check_models
from singleshot.cli.options import Debug, Json, examples, with_options
from singleshot.cli.output import note, print_json, print_result
from singleshot.comparison.options import ComparisonOptions, TutorialOptions
from singleshot.comparison.tables import format_comparison, format_tutorial
from singleshot.errors import SingleshotError

if TYPE_CHECKING:
    from singleshot.comparison.result import ComparisonResult
    from singleshot.comparison.tutorial_page import TutorialResult

EXAMPLES = examples(
    "singleshot compare runs/cells runs/cells-2 --data cells --report compared",
    "singleshot compare --tutorial --report tutorial",
)


@with_options(ComparisonOptions)
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
    json: Json = False,
    tutorial: Annotated[
        bool,
        typer.Option(
            "--tutorial",
            help="Rebuild the tutorial's tables: every system at full size, measured here.",
        ),
    ] = False,
    options: ComparisonOptions,
    _debug: Debug = False,
) -> None:
    """Compare detectors by accuracy, speed and size.

    On the same images, by the same rules, on this machine: accuracy with confidence intervals,
    speed by phases, memory, size, and which differences are significant. Keep the machine free
    meanwhile.
    """
    check_data(options.data, options.split)
    if not tutorial:
        check_models(*models or [])
    import singleshot

    result: ComparisonResult | TutorialResult
    if tutorial:
        shared = vars(_tutorial_options(options)) | {"progress": True, "on_message": note}
        result = singleshot.compare_with_tutorial(_by_recipe(models or []), **shared)
    else:
        chosen = vars(replace(options, progress=True, on_message=note))
        result = singleshot.compare(models or [], **chosen)
    if options.page is not None:
        note(f"Report: {options.page}")
    if json:
        print_json(result.to_json())
    else:
        print_result((format_tutorial if tutorial else format_comparison)(result.to_json()))


def _tutorial_options(options: ComparisonOptions) -> TutorialOptions:
    """Take over the options that also hold for the tutorial.

    Raises SingleshotError for an option that has no meaning there.
    """
    if options.speed_images != ComparisonOptions().speed_images:
        raise SingleshotError(
            "--tutorial has its own number of images to time on: leave out --speed-images"
        )
    return TutorialOptions(
        data=options.data,
        split=options.split,
        protocol=options.protocol,
        iou_threshold=options.iou_threshold,
        report=options.report,
        device=options.device,
    )


def _by_recipe(models: list[str]) -> dict[str, str]:
    """Map recipes to runs given as RECIPE=RUN, or by a folder with the recipe's name.

    Raises SingleshotError for a second run of one system.
    """
    runs: dict[str, str] = {}
    for name, equals, path in (model.partition("=") for model in models):
        recipe, run = (name, path) if equals else (Path(name).name, name)
        if recipe in runs:
            raise SingleshotError(
                f"{runs[recipe]} and {run} are both of {recipe}; the tables have a place for one"
            )
        runs[recipe] = run
    return runs
