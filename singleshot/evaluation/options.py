"""What may be asked about detections, whoever made them, and the answers."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from singleshot.data.attributes import read_attributes
from singleshot.data.dataset import DataSet
from singleshot.errors import SingleshotError
from singleshot.evaluation import diagnose_judged, judge, load_predictions, truths_of
from singleshot.evaluation.report import report_on
from singleshot.files import require_writable
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
)
from singleshot.runs.callbacks import OnMessage

__all__ = ["OnMessage", "Question", "Wanted", "read", "write_page"]


@dataclass(frozen=True)
class Wanted:
    """What is to be said of detections."""

    split: str | None
    protocol: Protocol
    iou_threshold: float
    diagnosis: bool
    attributes: Path | None
    against: Path | None
    choose: Rule | None
    report: Path | None
    on_message: OnMessage

    @classmethod
    def of(
        cls,
        *,
        split: str | None,
        protocol: str,
        iou_threshold: float,
        diagnosis: bool = False,
        attributes: str | Path | None = None,
        against: str | Path | None = None,
        choose: str | None = None,
        report: str | Path | None,
        on_message: OnMessage | None,
    ) -> "Wanted":
        """What a caller said, checked before anything is read or detected."""
        if protocol not in set(Protocol):
            raise SingleshotError(f"no protocol {protocol!r}; there are {', '.join(Protocol)}")
        if not 0 < iou_threshold <= 1:
            raise SingleshotError(f"an IoU threshold of {iou_threshold} is not within 0 to 1")
        wanted = cls(
            split=split,
            protocol=Protocol(protocol),
            iou_threshold=iou_threshold,
            diagnosis=diagnosis or attributes is not None,
            attributes=None if attributes is None else Path(attributes),
            against=None if against is None else Path(against),
            choose=None if choose is None else Rule.parse(choose),
            report=None if report is None else Path(report),
            on_message=on_message or (lambda _: None),
        )
        if wanted.page is not None:
            require_writable(wanted.page)
        return wanted

    @property
    def page(self) -> Path | None:
        """Where the report goes, if there is to be one."""
        return None if self.report is None else self.report / "report.html"

    def command(self, verb: str, model: str, data: Sequence[str | Path]) -> str:
        """What to type to be told the same again."""
        options = {
            "--split": self.split,
            "--protocol": self.protocol,
            "--iou-threshold": self.iou_threshold,
            "--attributes": self.attributes,
            "--against": self.against,
            "--choose": self.choose,
            "--report": self.report,
        }
        given = [(name, str(value)) for name, value in options.items() if value is not None]
        words = ["singleshot", verb, model, *map(str, data)]
        return shlex.join([*words, *(word for pair in given for word in pair)])


@dataclass(frozen=True)
class Question:
    """What is wanted, and all that it takes but the detections, read before these are made."""

    wanted: Wanted
    dataset: DataSet
    attributes: Mapping[str, Sequence[str]]
    others: Predictions | None

    @classmethod
    def about(cls, dataset: DataSet, wanted: Wanted) -> "Question":
        """Read what is compared with and sliced by; raises DataError when it cannot be used."""
        table, others = wanted.attributes, wanted.against
        attributes = {} if table is None else read_attributes(table, dataset, wanted.on_message)
        read_others = None if others is None else read(others, dataset, wanted.on_message)
        return cls(wanted, dataset, attributes, read_others)

    def answer(self, predictions: Predictions) -> Report:
        """Everything that was asked about these detections."""
        report = judge(
            predictions,
            self.dataset,
            protocol=self.wanted.protocol,
            iou_threshold=self.wanted.iou_threshold,
        )
        return replace(
            report,
            diagnosis=self.diagnose(predictions, report),
            comparison=self.compare(predictions),
            operating_point=self.choose(predictions),
        )

    def diagnose(self, predictions: Predictions, report: Report) -> Diagnosis | None:
        """Where the detections go wrong, at the score thresholds of the best F1, if asked."""
        if not self.wanted.diagnosis:
            return None
        return diagnose_judged(predictions, self.dataset, report, attributes=self.attributes)

    def compare(self, predictions: Predictions) -> Comparison | None:
        """How much better the detections are than others, if there are others."""
        if self.others is None:
            return None
        return compare(
            predictions,
            self.others,
            truths_of(self.dataset),
            self.dataset.class_names,
            protocol=self.wanted.protocol,
            iou_threshold=self.wanted.iou_threshold,
        )

    def choose(self, predictions: Predictions) -> OperatingPoint | None:
        """The score thresholds that a rule comes to, if there is one."""
        if self.wanted.choose is None:
            return None
        truths = truths_of(self.dataset)
        point = choose_thresholds(
            predictions,
            truths,
            self.dataset.class_names,
            rule=self.wanted.choose,
            iou_threshold=self.wanted.iou_threshold,
            ignore=self.wanted.protocol.ignores(truths),
            data=self.dataset.description,
        )
        for sentence in point.sentences():
            self.wanted.on_message(sentence)
        return point


def write_page(
    report: Report, predictions: Predictions, question: Question, *, name: str, command: str
) -> None:
    """Show the answers on a page, if one is wanted."""
    wanted = question.wanted
    if wanted.page is None:
        return
    report_on(
        predictions,
        question.dataset,
        report=report,
        model=name,
        command=command,
        path=wanted.page,
        compared_with="" if wanted.against is None else str(wanted.against),
    )


def read(path: Path, dataset: DataSet, on_message: OnMessage) -> Predictions:
    """Somebody's detections on these images."""
    found = load_predictions(path, dataset)
    for message in (f"{path}: taken for {found.kind}", *found.notes):
        on_message(message)
    return found.predictions
