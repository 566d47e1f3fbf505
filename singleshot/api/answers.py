"""What may be asked about detections, whoever made them, and the answers."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from singleshot.data.attributes import read_attributes
from singleshot.data.dataset import DataSet
from singleshot.errors import SingleshotError
from singleshot.evaluation import judge, load_predictions, truths_of
from singleshot.metrics import (
    Comparison,
    Diagnosis,
    OperatingPoint,
    Predictions,
    Protocol,
    Report,
    Rule,
    choose_thresholds,
    compare,
    diagnose,
)
from singleshot.reporting import report_on

__all__ = ["Say", "Wanted", "answer", "read"]

Say = Callable[[str], None]


@dataclass(frozen=True)
class Wanted:
    """What is to be said of detections."""

    protocol: Protocol
    iou_threshold: float
    diagnosis: bool
    attributes: Path | None
    against: Path | None
    choose: Rule | None
    report: Path | None
    say: Say

    @classmethod
    def of(
        cls,
        *,
        protocol: str,
        iou_threshold: float,
        diagnosis: bool,
        attributes: str | Path | None,
        against: str | Path | None,
        choose: str | None,
        report: str | Path | None,
        say: Say | None,
    ) -> "Wanted":
        """What a caller said, checked before anything is detected."""
        if protocol not in set(Protocol):
            raise SingleshotError(f"no protocol {protocol!r}; there are {', '.join(Protocol)}")
        if not 0 < iou_threshold <= 1:
            raise SingleshotError(f"an IoU threshold of {iou_threshold} is not within 0 to 1")
        return cls(
            protocol=Protocol(protocol),
            iou_threshold=iou_threshold,
            diagnosis=diagnosis or attributes is not None,
            attributes=None if attributes is None else Path(attributes),
            against=None if against is None else Path(against),
            choose=None if choose is None else Rule.parse(choose),
            report=None if report is None else Path(report),
            say=say or (lambda _: None),
        )


def answer(
    predictions: Predictions, dataset: DataSet, wanted: Wanted, name: str, *, command: str
) -> Report:
    """Everything that was asked about these detections."""
    report = judge(
        predictions, dataset, protocol=wanted.protocol, iou_threshold=wanted.iou_threshold
    )
    report = replace(
        report,
        diagnosis=diagnosed(predictions, dataset, wanted, report),
        comparison=compared(predictions, dataset, wanted),
        operating_point=chosen(predictions, dataset, wanted),
    )
    if wanted.report is not None:
        report_on(
            predictions,
            dataset,
            report=report,
            model=name,
            command=f"singleshot {command} --protocol {wanted.protocol}",
            path=wanted.report / "report.html",
            compared_with="" if wanted.against is None else str(wanted.against),
        )
    return report


def diagnosed(
    predictions: Predictions, dataset: DataSet, wanted: Wanted, report: Report
) -> Diagnosis | None:
    """Where the detections go wrong, at the score thresholds of the best F1, if asked."""
    if not wanted.diagnosis:
        return None
    attributes = {} if wanted.attributes is None else read_attributes(wanted.attributes, dataset)
    return diagnose(
        predictions,
        truths_of(dataset),
        dataset.class_names,
        protocol=wanted.protocol,
        iou_threshold=wanted.iou_threshold,
        score_thresholds=report.score_thresholds,
        attributes=attributes,
        image_names=dataset.paths.tolist(),
    )


def compared(predictions: Predictions, dataset: DataSet, wanted: Wanted) -> Comparison | None:
    """How much better the detections are than others, if there are others."""
    if wanted.against is None:
        return None
    return compare(
        predictions,
        read(wanted.against, dataset, wanted),
        truths_of(dataset),
        dataset.class_names,
        protocol=wanted.protocol,
        iou_threshold=wanted.iou_threshold,
    )


def chosen(predictions: Predictions, dataset: DataSet, wanted: Wanted) -> OperatingPoint | None:
    """The score thresholds that a rule comes to, if there is one."""
    if wanted.choose is None:
        return None
    truths = truths_of(dataset)
    point = choose_thresholds(
        predictions,
        truths,
        dataset.class_names,
        rule=wanted.choose,
        iou_threshold=wanted.iou_threshold,
        ignore=wanted.protocol.ignores(truths),
        data=dataset.description,
    )
    for sentence in point.sentences():
        wanted.say(sentence)
    return point


def read(path: Path, dataset: DataSet, wanted: Wanted) -> Predictions:
    """Somebody's detections on these pictures."""
    found = load_predictions(path, dataset)
    for message in (f"{path}: taken for {found.kind}", *found.notes):
        wanted.say(message)
    return found.predictions
