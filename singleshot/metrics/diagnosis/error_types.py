"""The six error types of TIDE: of each false positive, and of undetected truths.

Bolya, Foley, Hays and Hoffman 2020, "TIDE: A General Toolbox for Identifying Object Detection
Errors", §2.2. The types are tested in the order of its code (tidecv, quantify.py), which also
settles the borders: localization, class, duplicate, background, and both for the rest.

True positives are found before, by `find_true_positives`. TIDE's own code gives a detection whose
best truth is taken the next best; given such true positives the types are the same as its own.
Unlike its code, ignored detections have no error.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int64

from singleshot.backports import StrEnum
from singleshot.metrics.detection_tables import Predictions, Truths
from singleshot.metrics.diagnosis.neighbours import Neighbours, find_neighbours
from singleshot.metrics.voc_matching import Outcomes

__all__ = [
    "BACKGROUND_IOU",
    "ErrorType",
    "Errors",
    "classify_errors",
    "find_errors",
    "find_undetected",
]

BACKGROUND_IOU = 0.1  # t_b of the paper: up to here two boxes have nothing to do with each other


class ErrorType(StrEnum):
    """Kinds of false positives and false negatives; t is the IoU threshold."""

    CLASS = "class"  # IoU >= t with a truth of another class
    LOCALIZATION = "localization"  # 0.1 <= IoU <= t with a truth of its own class
    BOTH = "both"  # 0.1 < IoU < t with a truth of another class
    DUPLICATE = "duplicate"  # IoU >= t with a truth that a surer detection has
    BACKGROUND = "background"  # IoU <= 0.1 with every truth
    MISSED = "missed"  # a truth that no true positive, class or localization error is about


ERROR_TYPES = tuple(ErrorType)


@dataclass(frozen=True, slots=True)
class Errors:
    """Error type of each detection, and the truths that are missed."""

    # Index into tuple(ErrorType); -1 for true positives and ignored ones.
    types: Int64[np.ndarray, " n"]
    # Index of the truth it is about; -1 for background and true positives.
    truths: Int64[np.ndarray, " n"]
    missed: Bool[np.ndarray, " m"]  # truths that are MISSED

    def are(self, error: ErrorType) -> Bool[np.ndarray, " n"]:
        """Mark the detections with this error; none is MISSED, as those are truths."""
        return np.asarray(self.types == ERROR_TYPES.index(error))

    def count(self, error: ErrorType) -> int:
        """Count the detections with this error; for MISSED, the truths."""
        wrong = self.missed if error is ErrorType.MISSED else self.are(error)
        return int(wrong.sum())


def find_errors(
    predictions: Predictions,
    truths: Truths,
    outcomes: Outcomes,
    *,
    ignore: Bool[np.ndarray, " m"],
    iou_threshold: float,
) -> Errors:
    """Find the error type of each detection, and the missed truths.

    `outcomes` are those of the same detections and `iou_threshold`. Truths marked `ignore` do not
    exist for TIDE: no error is about them, and they are not missed.
    """
    neighbours = find_neighbours(predictions, truths, ignore=ignore)
    return classify_errors(neighbours, outcomes, ignore=ignore, iou_threshold=iou_threshold)


def classify_errors(
    neighbours: Neighbours,
    outcomes: Outcomes,
    *,
    ignore: Bool[np.ndarray, " m"],
    iou_threshold: float,
) -> Errors:
    """Classify errors from the overlaps of each detection."""
    own, other = neighbours.own_iou, neighbours.other_iou
    no_error = outcomes.true_positive | outcomes.ignored
    cases = {
        ErrorType.LOCALIZATION: (own >= BACKGROUND_IOU) & (own <= iou_threshold),
        ErrorType.CLASS: other >= iou_threshold,
        ErrorType.DUPLICATE: own >= iou_threshold,
        ErrorType.BACKGROUND: other <= BACKGROUND_IOU,
    }
    numbers = [ERROR_TYPES.index(error) for error in cases]
    types = np.select(
        [no_error, *cases.values()], [-1, *numbers], ERROR_TYPES.index(ErrorType.BOTH)
    )

    about = {
        ErrorType.LOCALIZATION: neighbours.own,
        ErrorType.DUPLICATE: neighbours.own,
        ErrorType.CLASS: neighbours.other,
        ErrorType.BOTH: neighbours.other,
    }
    concerned = [types == ERROR_TYPES.index(error) for error in about]
    subjects = np.select(concerned, list(about.values()), -1)

    errors = Errors(types, subjects, missed=find_undetected(outcomes, ignore=ignore))
    repairable = errors.are(ErrorType.CLASS) | errors.are(ErrorType.LOCALIZATION)
    errors.missed[subjects[repairable]] = False
    return errors


def find_undetected(
    outcomes: Outcomes, *, ignore: Bool[np.ndarray, " m"]
) -> Bool[np.ndarray, " m"]:
    """Mark the truths that count and that no detection is a true positive of."""
    missed = ~ignore
    missed[outcomes.truths[outcomes.true_positive]] = False
    return missed
