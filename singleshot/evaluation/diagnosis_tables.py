"""Tables of a diagnosis: error types, confusions, calibration and slices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple

import numpy as np
from jaxtyping import Int64

from singleshot.evaluation.plots import reliability_chart
from singleshot.metrics.diagnosis import (
    Calibration,
    Diagnosis,
    ErrorGain,
    ErrorTotal,
    ErrorType,
    Slice,
)
from singleshot.report.charts import Chart

__all__ = ["DiagnosisTables", "tables_of"]

MOST_CLASSES = 12  # of a confusion matrix that can be read
MOST_CONFUSIONS = 20
NOTHING = "nothing"

IN_WORDS: dict[ErrorType | ErrorTotal, tuple[str, str]] = {
    ErrorType.CLASS: ("Wrong class", "well placed on an object of another class"),
    ErrorType.LOCALIZATION: ("Badly placed", "right class, too little overlap"),
    ErrorType.BOTH: ("Wrong class, badly placed", "near an object of another class"),
    ErrorType.DUPLICATE: ("Duplicate", "a surer detection is the true positive of the object"),
    ErrorType.BACKGROUND: ("Background", "no annotated object is near"),
    ErrorType.MISSED: ("Missed", "objects without a detection near them"),
    ErrorTotal.FALSE_POSITIVES: ("All false positives", "every detection that is no true positive"),
    ErrorTotal.FALSE_NEGATIVES: ("All false negatives", "every undetected object"),
}


@dataclass(frozen=True, slots=True)
class ErrorRow:
    """One kind of error."""

    name: str
    explanation: str
    kept: int  # at the best F1 of each class
    count: int  # of all detections, whatever their score
    gain: float | None
    share: float  # of the greatest gain, for a bar


@dataclass(frozen=True, slots=True)
class Confusion:
    """Number of objects of one class that are detected as another."""

    annotated: str
    detected: str
    count: int
    share: float  # of all annotated as this class, or of all detections without annotation


class MatrixRow(NamedTuple):
    """Row of the confusion matrix: one annotated class."""

    name: str
    cells: tuple[Confusion, ...]


@dataclass(frozen=True)
class DiagnosisTables:
    """Rows and charts of a diagnosis as the page shows them."""

    iou_threshold: float
    average_precision: float | None
    errors: tuple[ErrorRow, ...]  # the six types
    totals: tuple[ErrorRow, ...]
    columns: tuple[str, ...]  # of the matrix
    matrix: tuple[MatrixRow, ...]  # empty for many classes
    confusions: tuple[Confusion, ...]  # the most frequent ones, for many classes
    calibration: Calibration | None
    reliability: Chart | None
    slices: tuple[tuple[str, tuple[Slice, ...]], ...]  # by what, and the parts


def tables_of(diagnosis: Diagnosis, *, num_truths: int) -> DiagnosisTables:
    """Convert a diagnosis to rows and charts; `num_truths` is the number that count."""
    kept = count_kept(diagnosis, num_truths)
    few = len(diagnosis.class_names) <= MOST_CLASSES
    names = (*diagnosis.class_names, NOTHING)
    calibration = diagnosis.calibration
    return DiagnosisTables(
        iou_threshold=diagnosis.iou_threshold,
        average_precision=diagnosis.average_precision,
        errors=error_rows(diagnosis.errors, kept),
        totals=error_rows(diagnosis.totals, kept),
        columns=names,
        matrix=matrix_rows(diagnosis.confusion, names) if few else (),
        confusions=() if few else frequent_confusions(diagnosis.confusion, names),
        calibration=calibration,
        reliability=None if calibration is None else reliability_chart(calibration),
        slices=tuple(
            (by, tuple(slices)) for by, slices in groupby(diagnosis.slices, lambda one: one.by)
        ),
    )


def count_kept(diagnosis: Diagnosis, num_truths: int) -> dict[ErrorType | ErrorTotal, int]:
    """Count the errors at the score thresholds, as the galleries do."""
    outcomes = diagnosis.kept_outcomes
    return {
        **{error: diagnosis.kept_errors.count(error) for error in ErrorType},
        ErrorTotal.FALSE_POSITIVES: int((~outcomes.true_positive & ~outcomes.ignored).sum()),
        ErrorTotal.FALSE_NEGATIVES: num_truths - int(outcomes.true_positive.sum()),
    }


def error_rows(
    gains: Sequence[ErrorGain], kept: Mapping[ErrorType | ErrorTotal, int]
) -> tuple[ErrorRow, ...]:
    """Sort error types by falling gain."""
    greatest = max((one.gain or 0.0 for one in gains), default=0.0)
    rows = [
        ErrorRow(
            *IN_WORDS[one.error],
            kept=kept[one.error],
            count=one.count,
            gain=one.gain,
            share=(one.gain or 0.0) / greatest if greatest else 0.0,
        )
        for one in gains
    ]
    return tuple(sorted(rows, key=lambda row: -(row.gain or 0.0)))


def matrix_rows(
    confusion: Int64[np.ndarray, "rows columns"], names: Sequence[str]
) -> tuple[MatrixRow, ...]:
    """Lay out the matrix: annotated classes down, detected classes right, "nothing" last."""
    return tuple(
        MatrixRow(
            name,
            tuple(
                Confusion(name, detected, int(count), count / max(int(row.sum()), 1))
                for detected, count in zip(names, row, strict=True)
            ),
        )
        for name, row in zip(names, confusion, strict=True)
    )


def frequent_confusions(
    confusion: Int64[np.ndarray, "rows columns"], names: Sequence[str]
) -> tuple[Confusion, ...]:
    """Find the most frequent confusions of two different classes, without "nothing"."""
    between = confusion[:-1, :-1].copy()
    np.fill_diagonal(between, 0)
    order = np.argsort(-between, axis=None, kind="stable")[:MOST_CONFUSIONS]
    pairs = zip(*np.unravel_index(order, between.shape), strict=True)
    return tuple(
        Confusion(
            names[row],
            names[column],
            int(between[row, column]),
            between[row, column] / int(confusion[row].sum()),
        )
        for row, column in pairs
        if between[row, column]
    )
