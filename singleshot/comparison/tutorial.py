"""Rebuild the tutorial's tables: measurements of this machine beside the published numbers."""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from singleshot.benchmarking.sample_images import draw_sample_images
from singleshot.benchmarking.timing import (
    DetectorTimings,
    TimingJob,
    TimingPlan,
    spread_images,
    time_in_turns,
)
from singleshot.comparison.compare import ComparedModel, evaluate_models
from singleshot.comparison.options import TutorialOptions
from singleshot.comparison.published import (
    Tutorial,
    TutorialSystem,
    read_published_figures,
    read_tutorial,
)
from singleshot.comparison.ranking import rank_detectors
from singleshot.comparison.tutorial_page import (
    MeasuredSystem,
    TrainedRun,
    TutorialResult,
    write_tutorial,
)
from singleshot.data.dataset import DataSet
from singleshot.errors import SingleshotError
from singleshot.evaluation.evaluate import open_evaluation_data
from singleshot.evaluation.evaluate_predictions import truths_of
from singleshot.files import require_writable
from singleshot.metrics import Protocol
from singleshot.metrics.intervals import few_images_note
from singleshot.models.locating import model_files
from singleshot.options import takes
from singleshot.recipes.load import recipe_files
from singleshot.version import __version__

__all__ = ["compare_with_tutorial"]

NUM_CLASSES = 20  # VOC's
# One network after the other in memory: all at full size would not fit into that of a laptop.
PLAN = TimingPlan(
    {1: 2}, rounds=3, max_seconds=15.0, rebuild=True, summarise=True, skip_failures=True
)
NUM_IMAGES = 6
HEIGHT, WIDTH = 375, 500  # of most of VOC's images
SAMPLE_IMAGES = f"synthetic images of {WIDTH} × {HEIGHT}"


@takes(TutorialOptions)
def compare_with_tutorial(
    models: Mapping[str, str | Path] | None, options: TutorialOptions
) -> TutorialResult:
    """Build every system of the tutorial at its paper's input size, and measure it.

    Nothing is trained, so accuracy is the published number; runs of the recipes are evaluated on
    the given data and reported beside it.

    Args:
        models: run folders or checkpoints of some of the systems, by the name of the recipe.

    Raises:
        SingleshotError: one of its kinds, when an argument cannot be used.
    """
    with options.displayed() as shown:
        return _compare_with_tutorial({} if models is None else dict(models), shown)


def _compare_with_tutorial(
    runs: Mapping[str, str | Path], options: TutorialOptions
) -> TutorialResult:
    """Compare as `compare_with_tutorial` does, with the functions of a display."""
    if options.page is not None:
        require_writable(options.page)
        require_writable(options.page.with_name("tutorial.json"))
    tutorial = read_tutorial()
    _require_known(tutorial, runs)
    if options.systems is not None:
        _require_known(tutorial, options.systems)
        if not options.systems:
            raise SingleshotError(f"name at least one system: {', '.join(_names(tutorial))}")
    if runs and not options.data:
        raise SingleshotError("name the images to evaluate the runs on: --data DATA")
    dataset = None
    if options.data:
        dataset = open_evaluation_data(
            options.data, options.split, options.on_message, reading=options.reading
        )
    trained = {} if dataset is None else _evaluate_runs(runs, dataset, options)
    timings = _time_systems(tutorial, dataset, options)
    result = TutorialResult(
        tutorial=tutorial,
        systems={
            one.recipe: _measured_system(one, timings.get(one.recipe), trained.get(one.recipe))
            for one in tutorial.systems
        },
        machine=next(iter(timings.values())).machine,
        num_classes=NUM_CLASSES,
        images=SAMPLE_IMAGES if dataset is None else dataset.description,
        data=dataset.description if dataset is not None and runs else "",
        protocol=options.protocol,
        published=tuple(read_published_figures()),
    )
    if options.page is not None:
        words = [f"{name}={path}" for name, path in runs.items()]
        command = options.to_command("compare --tutorial", *words)
        write_tutorial(result, options.page, command=command, version=__version__)
    return result


def _names(tutorial: Tutorial) -> list[str]:
    """List the recipes of the tutorial's systems."""
    return [system.recipe for system in tutorial.systems]


def _require_known(tutorial: Tutorial, names: Sequence[str] | Mapping[str, object]) -> None:
    """Raise SingleshotError for a name that is none of the tutorial's systems."""
    known = _names(tutorial)
    for name in names:
        if name not in known:
            raise SingleshotError(f"{name!r} is no system of the tutorial: {', '.join(known)}")


def _evaluate_runs(
    runs: Mapping[str, str | Path], dataset: DataSet, options: TutorialOptions
) -> dict[str, TrainedRun]:
    """Evaluate runs on the data set, all on the same bootstrap draws of its images."""
    if not runs:
        return {}
    paths = {name: Path(path) for name, path in runs.items()}
    models = [ComparedModel(name, path, model_files(path)) for name, path in paths.items()]
    protocol = Protocol(options.protocol)
    evaluated = evaluate_models(
        models,
        dataset,
        protocol,
        options.iou_threshold,
        progress=options.notify_progress,
        device=options.device,
    )
    ranking = rank_detectors(
        [one.predictions for one in evaluated],
        truths_of(dataset),
        len(dataset.class_names),
        protocol=protocol,
        iou_threshold=options.iou_threshold,
    )
    if rough := few_images_note(ranking.images):
        options.notify(rough)
    return {
        one.model.name: TrainedRun(str(one.model.path), one.facts.input, estimate, one.coco.AP50)
        for one, estimate in zip(evaluated, ranking.estimates, strict=True)
    }


def _time_systems(
    tutorial: Tutorial, dataset: DataSet | None, options: TutorialOptions
) -> dict[str, DetectorTimings]:
    """Build and time the networks of the systems that have a recipe."""
    recipes, systems = recipe_files(), options.systems
    names = [
        name
        for name in _names(tutorial)
        if name in recipes and (systems is None or name in systems)
    ]
    with tempfile.TemporaryDirectory() as folder:
        if dataset is None:
            images = draw_sample_images(Path(folder), NUM_IMAGES, (HEIGHT, WIDTH))
        else:
            images = spread_images(dataset, NUM_IMAGES)
        device = str(options.device)
        jobs = [
            TimingJob(name, images, recipe=name, num_classes=NUM_CLASSES, device=device)
            for name in names
        ]
        timings = time_in_turns(jobs, PLAN, options.notify)
    return dict(zip(names, timings, strict=True))


def _measured_system(
    system: TutorialSystem, timings: DetectorTimings | None, run: TrainedRun | None
) -> MeasuredSystem:
    """Join a system of the tutorial with its measurements."""
    if timings is None:
        missing = "not measured in this run" if system.recipe in recipe_files() else "no recipe yet"
        return MeasuredSystem(system, missing, None, None, None, None, None, None, run)
    summary = timings.summary
    return MeasuredSystem(
        system=system,
        missing=timings.failure,
        input=tuple(summary["input"]) if summary else None,
        num_boxes=summary.get("num_boxes"),
        parameters=summary.get("parameters"),
        macs=summary.get("macs"),
        speed=timings.speeds[0] if timings.rounds else None,
        memory_mb=timings.memory_mb,
        run=run,
    )
