"""Compare detectors: evaluate each on the same images, rank them, and time them in turns."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from singleshot.benchmarking.timing import (
    DetectorTimings,
    TimingJob,
    TimingPlan,
    spread_images,
    time_in_turns,
)
from singleshot.comparison.options import ComparisonOptions
from singleshot.comparison.page import ComparisonPage, write_comparison
from singleshot.comparison.published import (
    read_published_figures,
    read_published_trade_offs,
)
from singleshot.comparison.ranking import rank_detectors
from singleshot.comparison.result import ComparedDetector, ComparisonResult
from singleshot.comparison.side_by_side import select_images
from singleshot.data.dataset import DataSet
from singleshot.errors import DataError, SingleshotError
from singleshot.evaluation.detection import detect_all
from singleshot.evaluation.evaluate import open_evaluation_data
from singleshot.evaluation.evaluate_predictions import evaluate_predictions, truths_of
from singleshot.files import distinct_names, require_writable
from singleshot.metrics import Predictions, Protocol, Report
from singleshot.metrics.coco import CocoNumbers, coco_numbers
from singleshot.metrics.coco_matching import count_images_over_limit, limit_note
from singleshot.models.locating import class_names_of, model_files
from singleshot.models.opening import load
from singleshot.models.origin import training_splits
from singleshot.models.summary import DetectorFacts, facts_of
from singleshot.options import Device, takes
from singleshot.version import __version__

__all__ = [
    "ComparedModel",
    "EvaluatedModel",
    "compare",
    "evaluate_models",
    "name_models",
    "relabel",
]

BATCH = 8  # images detected together, for throughput
ROUNDS = 6

_Progress = Callable[[int, int], None]


class ComparedModel(NamedTuple):
    """A model by the name it has in the comparison."""

    name: str
    path: Path  # as it was given
    files: tuple[Path, ...]  # the checkpoint, or those of an exported model

    @property
    def file(self) -> Path:
        """The file that opens it."""
        return self.files[0]

    @property
    def num_bytes(self) -> int:
        """The size of its files."""
        return sum(file.stat().st_size for file in self.files)


@dataclass(frozen=True)
class EvaluatedModel:
    """A model of a comparison with its detections and their evaluation."""

    model: ComparedModel
    facts: DetectorFacts
    predictions: Predictions  # with the labels of the data set
    report: Report
    coco: CocoNumbers


@takes(ComparisonOptions)
def compare(models: Sequence[str | Path], options: ComparisonOptions) -> ComparisonResult:
    """Compare detectors on the same images, by the same rules, on this machine.

    Args:
        models: run folders or checkpoints, two at least.

    Raises:
        SingleshotError: one of its kinds; a ModelError or DataError names the model it is about.
        RunFailed: a detector could not be timed, as for want of memory.
    """
    with options.displayed() as shown:
        return _compare(models, shown)


def _compare(models: Sequence[str | Path], options: ComparisonOptions) -> ComparisonResult:
    """Compare as `compare` does, with the functions of a display."""
    if not options.data:
        raise SingleshotError("name the images to compare on: --data DATA")
    if options.page is not None:
        require_writable(options.page)
        require_writable(options.page.with_name("comparison.json"))
    named = name_models(models)
    dataset = open_evaluation_data(
        options.data, options.split, options.on_message, reading=options.reading
    )
    protocol, iou_threshold = Protocol(options.protocol), options.iou_threshold
    evaluated = evaluate_models(
        named,
        dataset,
        protocol,
        iou_threshold,
        progress=options.notify_progress,
        device=options.device,
    )
    options.notify("estimating confidence intervals by bootstrap")
    truths = truths_of(dataset)
    ranking = rank_detectors(
        [one.predictions for one in evaluated],
        truths,
        len(dataset.class_names),
        protocol=protocol,
        iou_threshold=iou_threshold,
    )
    # The very numbers of `evaluate`: the bootstrap adds up in another order, to another last bit.
    estimates = tuple(
        estimate._replace(value=one.report.mean_average_precision)
        for estimate, one in zip(ranking.estimates, evaluated, strict=True)
    )
    ranking = replace(ranking, estimates=estimates)
    # COCO's numbers are in the tables whatever the protocol.
    limited = limit_note(count_images_over_limit(truths))
    trained_on = training_notes(named, dataset)
    notes = (*ranking.notes(), *([limited] if limited else []), *trained_on)
    for message in notes:
        options.notify(message)
    timings = _time_models(evaluated, dataset, options)
    result = ComparisonResult(
        data=dataset.description,
        protocol=protocol,
        iou_threshold=iou_threshold,
        images=len(dataset),
        truths=evaluated[0].report.truths,
        detectors=tuple(map(_compared_detector, evaluated, timings)),
        ranking=ranking,
        machine=timings[0].machine,
        num_rounds=ROUNDS,
        notes=notes,
        published=tuple(read_published_figures()) if options.published else (),
        published_trade_offs=tuple(read_published_trade_offs()) if options.published else (),
    )
    if options.page is not None:
        at_random, disputed = select_images(
            dataset, [one.predictions for one in evaluated], [one.report for one in evaluated]
        )
        command = options.to_command("compare", *(one.path for one in named))
        page = ComparisonPage(
            result, at_random, disputed, dataset.class_names, command=command, version=__version__
        )
        write_comparison(page, options.page)
    return result


def training_notes(models: Sequence[ComparedModel], dataset: DataSet) -> list[str]:
    """State of each model that is of a run how many of the images it was trained on, if some."""
    notes: list[str] = []
    for model in models:
        splits = training_splits(model.file, notes.append)
        if splits is not None and (number := splits.count_trained(dataset)):
            notes.append(
                f"{model.name}: was trained on {number} of the {len(dataset)} images; its numbers "
                f"are better than on new images"
            )
    return notes


def name_models(models: Sequence[str | Path]) -> list[ComparedModel]:
    """Find the checkpoints of models, and give each a name of its own.

    Raises SingleshotError for fewer than two models, or one that is given twice.
    """
    paths = [Path(model) for model in models]
    if len(paths) < 2:
        raise SingleshotError(
            "comparing takes two models at least; for one, use `singleshot evaluate`"
        )
    named: dict[Path, ComparedModel] = {}
    for name, path in zip(distinct_names(paths), paths, strict=True):
        model = ComparedModel(name, path, model_files(path))
        same = named.setdefault(model.file.resolve(), model)
        if same.path is not path:
            raise SingleshotError(f"{path} is given twice, first as {same.path}; name each once")
    return list(named.values())


def evaluate_models(
    models: Sequence[ComparedModel],
    dataset: DataSet,
    protocol: Protocol,
    iou_threshold: float,
    *,
    progress: _Progress,
    device: Device,
) -> list[EvaluatedModel]:
    """Detect with each model and evaluate it, after checking that all have the classes needed."""
    for model in models:
        _require_classes(model, dataset)
    return [
        _evaluate_model(
            model,
            dataset,
            protocol,
            iou_threshold,
            progress=_share(progress, index, len(models)),
            device=device,
        )
        for index, model in enumerate(models)
    ]


def _require_classes(model: ComparedModel, dataset: DataSet) -> None:
    """Raise DataError, naming the model, if it lacks a class that the data set has objects of."""
    class_names = class_names_of(model.file)
    try:
        dataset.with_classes(class_names)
    except DataError as error:
        raise DataError(f"{model.path} cannot be compared here: {error}") from error


def _share(progress: _Progress, index: int, number: int) -> _Progress:
    """Report the images of one of several detectors as a share of all."""
    return lambda done, total: progress(index * total + done, number * total)


def _evaluate_model(
    model: ComparedModel,
    dataset: DataSet,
    protocol: Protocol,
    iou_threshold: float,
    *,
    progress: _Progress,
    device: Device,
) -> EvaluatedModel:
    """Detect with one model, and evaluate its detections."""
    detector = load(model.file, device)
    own = dataset.with_classes(detector.class_names)
    predictions = relabel(
        detect_all(detector, own, progress=progress), detector.class_names, dataset.class_names
    )
    report = evaluate_predictions(
        predictions, dataset, protocol=protocol, iou_threshold=iou_threshold
    )
    coco, _ = coco_numbers(predictions, truths_of(dataset), len(dataset.class_names))
    return EvaluatedModel(model, facts_of(detector), predictions, report, coco)


def relabel(
    predictions: Predictions, class_names: Sequence[str], others: Sequence[str]
) -> Predictions:
    """Replace labels by those of other class names, and drop detections of all other classes.

    A class without objects has no average precision, so the dropped ones change nothing.
    """
    numbers = np.array([others.index(name) if name in others else -1 for name in class_names])
    labels = numbers.astype(np.int64)[predictions.labels]
    return Predictions(predictions.images, predictions.boxes, predictions.scores, labels)[
        labels >= 0
    ]


def _time_models(
    evaluated: Sequence[EvaluatedModel], dataset: DataSet, options: ComparisonOptions
) -> list[DetectorTimings]:
    """Time the models in turns, each on the same images from all over the data set."""
    images = spread_images(dataset, options.speed_images)
    device = str(options.device)
    jobs = [
        TimingJob(one.model.name, images, model=one.model.file, device=device) for one in evaluated
    ]
    each_turn = -(-options.speed_images // ROUNDS)
    plan = TimingPlan({1: each_turn, BATCH: 1}, rounds=ROUNDS)
    return time_in_turns(jobs, plan, options.notify)


def _compared_detector(evaluated: EvaluatedModel, timings: DetectorTimings) -> ComparedDetector:
    """Join all measurements of one detector."""
    classes, facts = evaluated.report.per_class, evaluated.facts
    return ComparedDetector(
        name=evaluated.model.name,
        path=str(evaluated.model.path),
        kind=facts.kind,
        backbone=facts.backbone,
        input=facts.input,
        num_boxes=facts.num_boxes,
        parameters=facts.parameters,
        macs=facts.macs,
        file_bytes=evaluated.model.num_bytes,
        coco=evaluated.coco,
        per_class={name: one.average_precision for name, one in classes.items()},
        speeds=timings.speeds,
        memory_before_mb=timings.memory_before_mb,
    )
