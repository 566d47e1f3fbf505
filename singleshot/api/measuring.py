"""Measuring a detector, or anyone's detections."""

from collections.abc import Callable
from pathlib import Path

from singleshot.api.models import load
from singleshot.api.places import Data, listed
from singleshot.data.dataset import DataSet
from singleshot.data.opening import evaluation_split
from singleshot.errors import SingleshotError
from singleshot.evaluation import detect_all, judge, load_predictions, save_predictions
from singleshot.metrics import Protocol, Report
from singleshot.reporting import report_on
from singleshot.structures import Detector

__all__ = ["evaluate", "score"]


def evaluate(
    detector: Detector | str | Path,
    data: Data,
    *,
    split: str | None = None,
    protocol: str | Protocol = Protocol.COCO,
    progress: Callable[[int, int], None] | None = None,
    say: Callable[[str], None] | None = None,
    save_predictions_to: str | Path | None = None,
    report: str | Path | None = None,
) -> Report:
    """Measure a detector on annotated pictures.

    Args:
        detector: anything with `detect` and `class_names`, or a run folder or checkpoint.
        data: a folder or JSON file of annotated pictures, or several, joined by class name.
        split: which pictures; left out, `test`, else `val`, else all.
        protocol: "voc07" (11 points), "voc10" (every point) or "coco".
        progress: told of (pictures done, pictures in all).
        say: told which pictures were taken, and what was dropped.
        save_predictions_to: a JSON file for the detections, in COCO's format of results.
        report: a folder for `report.html`, a page that needs no other file.
    """
    rules = protocol_named(protocol)
    measured = load(detector) if isinstance(detector, str | Path) else detector
    dataset = measured_data(data, split, say, class_names=tuple(measured.class_names))
    predictions = detect_all(measured, dataset, progress=progress)
    if save_predictions_to is not None:
        save_predictions(predictions, dataset, Path(save_predictions_to))
    judged = judge(predictions, dataset, protocol=rules)
    if report is not None:
        name = str(detector) if isinstance(detector, str | Path) else type(detector).__name__
        command = f"singleshot evaluate {name} {spelt(data)} --protocol {rules}"
        page = Path(report, "report.html")
        report_on(predictions, dataset, report=judged, model=name, command=command, path=page)
    return judged


def score(
    predictions: str | Path,
    data: Data,
    *,
    split: str | None = None,
    protocol: str | Protocol = Protocol.COCO,
    say: Callable[[str], None] | None = None,
    report: str | Path | None = None,
) -> Report:
    """Measure detections that are already there: a file in COCO's format of results.

    Its ids of pictures and classes are those of the data set; the other arguments are `evaluate`'s.
    """
    rules = protocol_named(protocol)
    dataset = measured_data(data, split, say, class_names=None)
    read = load_predictions(Path(predictions), dataset)
    for message in (f"{predictions}: taken for {read.kind}", *read.notes):
        if say is not None:
            say(message)
    found = read.predictions
    judged = judge(found, dataset, protocol=rules)
    if report is not None:
        name, page = str(predictions), Path(report, "report.html")
        command = f"singleshot score {name} {spelt(data)} --protocol {rules}"
        report_on(found, dataset, report=judged, model=name, command=command, path=page)
    return judged


def protocol_named(name: str) -> Protocol:
    if name not in set(Protocol):
        raise SingleshotError(f"no protocol {name!r}; there are {', '.join(Protocol)}")
    return Protocol(name)


def measured_data(
    data: Data,
    split: str | None,
    say: Callable[[str], None] | None,
    *,
    class_names: tuple[str, ...] | None,
) -> DataSet:
    """The pictures to measure on, with the labels of a model if class names are given."""
    chosen = evaluation_split(listed(data), split)
    dataset = chosen.dataset
    if class_names is not None:
        dataset = dataset.with_classes(class_names)
    for message in (*chosen.said, *dataset.notes):
        if say is not None:
            say(message)
    return dataset


def spelt(data: Data) -> str:
    return " ".join(map(str, listed(data)))
