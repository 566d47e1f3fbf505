"""Comparing detectors: the same images, the same rules, the same machine, in one run."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from singleshot.checkpoints.checkpoint import Checkpoint
from singleshot.comparison.contest import Contender, Contest, Machine
from singleshot.comparison.published import published_figures
from singleshot.comparison.report import command_line, write_contest
from singleshot.comparison.speed import Job, Measured, Turns, measure_in_turns
from singleshot.comparison.standings import Standings, compare_all
from singleshot.data.dataset import DataSet
from singleshot.errors import DataError, SingleshotError
from singleshot.evaluation import detect_all, judge, truths_of
from singleshot.evaluation.evaluate import measured_data
from singleshot.evaluation.options import OnMessage, Wanted
from singleshot.files import require_writable
from singleshot.metrics import Predictions, Protocol, Report
from singleshot.metrics.coco import CocoNumbers, coco_numbers
from singleshot.models.opening import checkpoint_file, load
from singleshot.models.summary import ModelSummary, summarise
from singleshot.runs.places import Data, listed

__all__ = ["Entry", "Model", "Progress", "compare", "enter_all", "stand"]

BATCH = 8  # of images detected together, for throughput
ROUNDS = 6
SPEED_IMAGES = 20

Progress = Callable[[int, int], None]


class Model(NamedTuple):
    """A detector that is to be compared."""

    name: str
    path: Path  # as it was given
    checkpoint: Path


@dataclass(frozen=True)
class Entry:
    """One detector of a comparison, and what it found."""

    model: Model
    kind: str
    summary: ModelSummary
    predictions: Predictions  # with the labels of the data set
    report: Report
    coco: CocoNumbers


def compare(
    models: Sequence[str | Path],
    data: Data,
    *,
    split: str | None = None,
    protocol: str | Protocol = Protocol.COCO,
    iou_threshold: float = 0.5,
    speed_images: int = SPEED_IMAGES,
    published: bool = False,
    progress: Progress | None = None,
    on_message: OnMessage | None = None,
    report: str | Path | None = None,
) -> Contest:
    """Measure detectors on the same images, by the same rules, on this machine.

    Args:
        models: run folders or checkpoints, two at least.
        data: a folder or JSON file of annotated images, or several, joined by class name.
        split: which images; left out, `test`, else `val`, else all.
        protocol: "voc07" (11 points), "voc10" (every point) or "coco".
        iou_threshold: from which overlap a detection is a hit; COCO's twelve numbers keep theirs.
        speed_images: how many images each detector is timed on, one by one.
        published: whether to quote what papers say of the original systems, too.
        progress: told of (detections done, detections in all), counted in images.
        on_message: called with which images were taken, and what is being done.
        report: a folder for `report.html`, a page that needs no other file, and `comparison.json`.

    Raises:
        SingleshotError: one of its kinds; a ModelError or DataError names the model it is about.
        RunFailed: a detector could not be timed, as for want of memory.
    """
    wanted = Wanted.of(
        split=split,
        protocol=protocol,
        iou_threshold=iou_threshold,
        report=report,
        on_message=on_message,
    )
    if speed_images < 1:
        raise SingleshotError(f"{speed_images} images are too few to time a detector on")
    if wanted.page is not None:
        require_writable(wanted.page.with_name("comparison.json"))
    named = different(models)
    dataset = measured_data(data, split, wanted.on_message, class_names=None)
    entries = enter_all(named, dataset, wanted, progress)
    wanted.on_message("drawing the images anew, to see how sure the differences are")
    standings = stand(entries, dataset, wanted)
    measured = measure_speed(entries, dataset, speed_images, wanted.on_message)
    contest = Contest(
        data=dataset.description,
        protocol=wanted.protocol,
        iou_threshold=wanted.iou_threshold,
        images=len(dataset),
        truths=entries[0].report.truths,
        contenders=tuple(map(contender, entries, measured)),
        standings=standings,
        machine=Machine(**measured[0].machine),
        num_rounds=ROUNDS,
        published=tuple(published_figures()) if published else (),
    )
    if wanted.page is not None:
        paths = [one.path for one in named]
        write_contest(
            contest,
            dataset,
            [entry.predictions for entry in entries],
            [entry.report for entry in entries],
            wanted.page,
            command=command_line(wanted, paths, listed(data), speed_images, published=published),
        )
    return contest


def different(models: Sequence[str | Path]) -> list[Model]:
    """Models by names that tell them apart.

    Raises SingleshotError when there is nothing to compare, or one is there twice.
    """
    paths = [Path(model) for model in models]
    if len(paths) < 2:
        raise SingleshotError(
            "comparing takes two models at least; to measure one, there is `singleshot evaluate`"
        )
    found: dict[Path, Model] = {}
    for name, path in zip(told_apart(paths), paths, strict=True):
        checkpoint = checkpoint_file(path)
        same = found.setdefault(checkpoint.resolve(), Model(name, path, checkpoint))
        if same.path is not path:
            raise SingleshotError(f"{path} is given twice, first as {same.path}; name each once")
    return list(found.values())


def require_classes(model: Model, dataset: DataSet) -> None:
    """Raises DataError, naming the model, when there are objects that it does not know."""
    if not Checkpoint.is_one(model.checkpoint):
        Checkpoint.load(model.checkpoint)  # says what is wrong with it
    try:
        dataset.with_classes(Checkpoint.class_names_of(model.checkpoint))
    except DataError as error:
        raise DataError(f"{model.path} cannot be compared here: {error}") from error


def told_apart(paths: Sequence[Path]) -> list[str]:
    """The end of each path, as long as no other ends like it."""
    all_parts = [path.parts for path in paths]

    def ending(parts: tuple[str, ...], length: int) -> tuple[str, ...]:
        return parts[-length:]

    return [
        next(
            "/".join(ending(parts, length)).replace("//", "/")
            for length in range(1, len(parts) + 1)
            if length == len(parts)
            or sum(ending(other, length) == ending(parts, length) for other in all_parts) == 1
        )
        for parts in all_parts
    ]


def enter_all(
    models: Sequence[Model], dataset: DataSet, wanted: Wanted, progress: Progress | None
) -> list[Entry]:
    """Let all find the objects, once it is sure that each of them can."""
    for model in models:
        require_classes(model, dataset)
    return [
        enter(model, dataset, wanted, shifted(progress, place, len(models)))
        for place, model in enumerate(models)
    ]


def shifted(progress: Progress | None, place: int, number: int) -> Progress | None:
    """Tell of the images of one of several detectors as a part of all."""
    if progress is None:
        return None
    return lambda done, total: progress(place * total + done, number * total)


def enter(model: Model, dataset: DataSet, wanted: Wanted, progress: Progress | None) -> Entry:
    """Let one detector find the objects, and judge it."""
    detector = load(model.checkpoint)
    own = dataset.with_classes(detector.class_names)
    found = relabelled(
        detect_all(detector, own, progress=progress), detector.class_names, dataset.class_names
    )
    report = judge(found, dataset, protocol=wanted.protocol, iou_threshold=wanted.iou_threshold)
    coco, _ = coco_numbers(found, truths_of(dataset), len(dataset.class_names))
    summary = summarise(detector, recipe="")
    return Entry(model, detector.settings.kind, summary, found, report, coco)


def stand(entries: Sequence[Entry], dataset: DataSet, wanted: Wanted) -> Standings:
    """How good each is, and each against each."""
    return compare_all(
        [entry.predictions for entry in entries],
        truths_of(dataset),
        len(dataset.class_names),
        protocol=wanted.protocol,
        iou_threshold=wanted.iou_threshold,
    )


def relabelled(
    predictions: Predictions, class_names: Sequence[str], others: Sequence[str]
) -> Predictions:
    """With labels of other classes, by name; what these do not have cannot be judged, and is left.

    A class without any object has no average precision, so no number depends on it.
    """
    numbers = np.array([others.index(name) if name in others else -1 for name in class_names])
    labels = numbers.astype(np.int64)[predictions.labels]
    return Predictions(predictions.images, predictions.boxes, predictions.scores, labels)[
        labels >= 0
    ]


def measure_speed(
    entries: Sequence[Entry], dataset: DataSet, number: int, on_message: OnMessage
) -> list[Measured]:
    """Time the detectors in turns, each on the same images from all over the data set."""
    places = np.linspace(0, len(dataset) - 1, min(number, len(dataset))).round().astype(int)
    images = [Path(str(dataset.paths[place])) for place in places]
    jobs = [Job(one.model.name, images, model=one.model.checkpoint) for one in entries]
    each_turn = -(-number // ROUNDS)
    return measure_in_turns(jobs, Turns({1: each_turn, BATCH: 1}, rounds=ROUNDS), on_message)


def contender(entry: Entry, measured: Measured) -> Contender:
    """All that was measured of one detector."""
    return Contender(
        name=entry.model.name,
        path=str(entry.model.path),
        kind=entry.kind,
        input=entry.summary.input,
        num_boxes=entry.summary.num_boxes,
        parameters=entry.summary.parameters,
        macs=entry.summary.macs,
        file_bytes=entry.model.checkpoint.stat().st_size,
        coco=entry.coco,
        per_class={name: one.average_precision for name, one in entry.report.per_class.items()},
        speeds=measured.speeds,
        memory_before_mb=measured.memory_before_mb,
    )
