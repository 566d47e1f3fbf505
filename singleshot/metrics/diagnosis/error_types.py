"""What is wrong with each false positive and each miss: the six error types of TIDE.

Bolya, Foley, Hays and Hoffman 2020, "TIDE: A General Toolbox for Identifying Object Detection
Errors", §2.2. The types are asked for in the order of its code (tidecv, quantify.py), which also
decides about the borders: localization, class, duplicate, background, and both for the rest.

Which detections are hits is decided before, by the rule of `find_hits`. TIDE's own code lets a
detection whose best truth is taken have the next best; given such hits the types are the same as
its own. Unlike its code, no error is sought in detections that are ignored.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from jaxtyping import Bool, Int64

from singleshot.metrics.columns import Predictions, Truths
from singleshot.metrics.diagnosis.neighbours import Neighbours, find_neighbours
from singleshot.metrics.hits import Hits

__all__ = ["BACKGROUND_IOU", "ErrorType", "Errors", "classify_errors", "find_errors", "not_hit"]

BACKGROUND_IOU = 0.1  # t_b of the paper: up to here two boxes have nothing to do with each other


class ErrorType(StrEnum):
    """Why a detection is a false positive, or a truth a miss; t is the IoU threshold."""

    CLASS = "class"  # IoU >= t with a truth of another class
    LOCALIZATION = "localization"  # 0.1 <= IoU <= t with a truth of its own class
    BOTH = "both"  # 0.1 < IoU < t with a truth of another class
    DUPLICATE = "duplicate"  # IoU >= t with a truth that a surer detection hit
    BACKGROUND = "background"  # IoU <= 0.1 with every truth
    MISSED = "missed"  # a truth that no hit, class or localization error is about


ERROR_TYPES = tuple(ErrorType)


@dataclass(frozen=True, slots=True)
class Errors:
    """What is wrong with each detection, and which truths nothing comes near."""

    types: Int64[np.ndarray, " n"]  # index into tuple(ErrorType); -1 for hits and ignored ones
    truths: Int64[np.ndarray, " n"]  # index of the truth it is about; -1 for background and hits
    missed: Bool[np.ndarray, " m"]  # truths that are MISSED

    def are(self, error: ErrorType) -> Bool[np.ndarray, " n"]:
        """Which detections have this error; none is MISSED, as those are truths."""
        return np.asarray(self.types == ERROR_TYPES.index(error))

    def count(self, error: ErrorType) -> int:
        """How many detections have this error; for MISSED, how many truths."""
        wrong = self.missed if error is ErrorType.MISSED else self.are(error)
        return int(wrong.sum())


def find_errors(
    predictions: Predictions,
    truths: Truths,
    hits: Hits,
    *,
    ignore: Bool[np.ndarray, " m"],
    iou_threshold: float,
) -> Errors:
    """Say what is wrong with each detection given and with each truth.

    `hits` are those of the same detections and `iou_threshold`. Truths marked `ignore` do not
    exist for TIDE: nothing is about them, and they are not missed.
    """
    neighbours = find_neighbours(predictions, truths, ignore=ignore)
    return classify_errors(neighbours, hits, ignore=ignore, iou_threshold=iou_threshold)


def classify_errors(
    neighbours: Neighbours, hits: Hits, *, ignore: Bool[np.ndarray, " m"], iou_threshold: float
) -> Errors:
    """`find_errors` once it is known what each detection overlaps."""
    own, other = neighbours.own_iou, neighbours.other_iou
    fine = hits.hit | hits.ignored
    cases = {
        ErrorType.LOCALIZATION: (own >= BACKGROUND_IOU) & (own <= iou_threshold),
        ErrorType.CLASS: other >= iou_threshold,
        ErrorType.DUPLICATE: own >= iou_threshold,
        ErrorType.BACKGROUND: other <= BACKGROUND_IOU,
    }
    numbers = [ERROR_TYPES.index(error) for error in cases]
    types = np.select([fine, *cases.values()], [-1, *numbers], ERROR_TYPES.index(ErrorType.BOTH))

    about = {
        ErrorType.LOCALIZATION: neighbours.own,
        ErrorType.DUPLICATE: neighbours.own,
        ErrorType.CLASS: neighbours.other,
        ErrorType.BOTH: neighbours.other,
    }
    concerned = [types == ERROR_TYPES.index(error) for error in about]
    subjects = np.select(concerned, list(about.values()), -1)

    errors = Errors(types, subjects, missed=not_hit(hits, ignore=ignore))
    repairable = errors.are(ErrorType.CLASS) | errors.are(ErrorType.LOCALIZATION)
    errors.missed[subjects[repairable]] = False
    return errors


def not_hit(hits: Hits, *, ignore: Bool[np.ndarray, " m"]) -> Bool[np.ndarray, " m"]:
    """Truths that count and that no detection hit."""
    missed = ~ignore
    missed[hits.truths[hits.hit]] = False
    return missed
