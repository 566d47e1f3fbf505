"""Annotations that are probably wrong: a sure detection and the truth disagree."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import zip_longest
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float64, Int64

from singleshot.backports import StrEnum
from singleshot.metrics.detection_tables import Predictions, Truths
from singleshot.metrics.diagnosis.error_types import (
    BACKGROUND_IOU,
    Errors,
    ErrorType,
    find_undetected,
)
from singleshot.metrics.diagnosis.neighbours import Neighbours
from singleshot.metrics.voc_matching import (
    Outcomes,
    intersection_over_own_area,
    most_overlapped,
    paired_iou,
)

__all__ = ["MOST_SUSPECTS", "Suspect", "SuspectKind", "find_suspects"]

MOST_SUSPECTS = 100
SAME_PLACE = 0.75  # IoU: COCO's strict threshold
SAME_OBJECT = 0.9  # IoU: two annotators of the same object seldom agree more


class SuspectKind(StrEnum):
    """Kinds of annotation errors."""

    MISSING_ANNOTATION = "missing annotation"  # a detection without any annotation
    WRONG_CLASS = "wrong class"  # detected and annotated as different classes
    WRONG_BOX = "wrong box"  # the detected and the annotated box agree poorly
    DOUBLE_ANNOTATION = "double annotation"  # two truths of one class almost coincide


class Suspect(NamedTuple):
    """Annotation, or missing annotation, to look at."""

    image: int  # index of the image
    kind: SuspectKind
    box: tuple[float, float, float, float]  # of the detection; of the second of two truths
    label: int  # of the detection; of the two truths
    truth: int  # index of the annotation in doubt; -1 where it is missing
    score: float  # of the detection; of two truths, their IoU


def find_suspects(
    kept: Predictions,
    truths: Truths,
    outcomes: Outcomes,
    errors: Errors,
    neighbours: Neighbours,
    *,
    ignore: Bool[np.ndarray, " m"],
    most: int = MOST_SUSPECTS,
) -> tuple[Suspect, ...]:
    """Find likely annotation errors, at most `most`.

    By turns one of each kind, the surest first: the scores of different kinds do not compare, and
    no kind may displace the others.

    missing annotation   a confident background error, and no annotation of any class, counted or
                         not, overlaps it (IoU <= 0.1; half of it inside a region)
    wrong class          a confident false positive with IoU >= 0.75 with a truth of another class
    wrong box            a confident localization error
    double annotation    two truths of one class with IoU > 0.9

    For the middle two the truth must be undetected: otherwise the detector agrees with the
    annotation. Confident means: marked by `confident_false_positives`.
    """
    confident = confident_false_positives(kept, outcomes)
    free = find_undetected(outcomes, ignore=ignore)
    # A -1 would read the last truth; an entry more makes it "no truth".
    is_free = np.append(free, False)

    background = np.flatnonzero(confident & errors.are(ErrorType.BACKGROUND))
    missing = background[is_unannotated(kept[background], truths)]
    wrong_class = confident & (neighbours.other_iou >= SAME_PLACE) & is_free[neighbours.other]
    wrong_box = (
        confident & errors.are(ErrorType.LOCALIZATION) & is_free[neighbours.own] & ~wrong_class
    )
    nowhere = np.full(len(kept), -1, np.int64)
    kinds = [
        suspects_of(SuspectKind.MISSING_ANNOTATION, kept, missing, nowhere),
        suspects_of(SuspectKind.WRONG_CLASS, kept, np.flatnonzero(wrong_class), neighbours.other),
        suspects_of(SuspectKind.WRONG_BOX, kept, np.flatnonzero(wrong_box), neighbours.own),
        double_annotations(truths),
    ]
    surest_first = [sorted(kind, key=lambda one: -one.score) for kind in kinds]
    turns = zip_longest(*surest_first)
    return tuple(one for turn in turns for one in turn if one is not None)[:most]


def confident_false_positives(kept: Predictions, outcomes: Outcomes) -> Bool[np.ndarray, " n"]:
    """Mark false positives at least as sure as half of the true positives of their class.

    A class without true positives is compared with those of all classes; without any at all, every
    detection kept is confident: then the annotation may be wrong as a whole, as by two names
    swapped.
    """
    usual = np.zeros(kept.labels.max(initial=-1) + 1)
    if outcomes.true_positive.any():
        usual[:] = median_score(kept.scores[outcomes.true_positive])
    for label in np.unique(kept.labels[outcomes.true_positive]):
        usual[label] = median_score(kept.scores[outcomes.true_positive & (kept.labels == label)])
    return np.asarray(
        ~outcomes.true_positive & ~outcomes.ignored & (kept.scores >= usual[kept.labels])
    )


def median_score(scores: Float64[np.ndarray, " n"]) -> float:
    """Compute the score that half of the detections reach."""
    return float(np.quantile(scores, 0.5, method="lower"))


def is_unannotated(found: Predictions, truths: Truths) -> Bool[np.ndarray, " k"]:
    """Mark the detections that overlap no annotation of any class, counted or not."""
    found = replace(found, labels=np.zeros_like(found.labels))
    anything = replace(truths, labels=np.zeros_like(truths.labels))
    _, iou = most_overlapped(found, anything, np.arange(len(truths)), paired_iou)
    regions = np.flatnonzero(truths.crowd)
    _, covered = most_overlapped(found, anything, regions, intersection_over_own_area)
    return (iou <= BACKGROUND_IOU) & (covered < 0.5)


def suspects_of(
    kind: SuspectKind,
    kept: Predictions,
    which: Int64[np.ndarray, " k"],
    about: Int64[np.ndarray, " n"],
) -> Iterator[Suspect]:
    """Make the suspects of one kind from detections and the truths they are about."""
    for index in which:
        x1, y1, x2, y2 = kept.boxes[index].tolist()
        yield Suspect(
            image=int(kept.images[index]),
            kind=kind,
            box=(x1, y1, x2, y2),
            label=int(kept.labels[index]),
            truth=int(about[index]),
            score=float(kept.scores[index]),
        )


def double_annotations(truths: Truths) -> Iterator[Suspect]:
    """Find pairs of objects of one class and image that almost coincide; regions may overlap."""
    objects = np.flatnonzero(~truths.crowd)
    order = objects[np.lexsort((truths.labels[objects], truths.images[objects]))]
    # Neighbours in this order, then next but one …: as many rounds as an image has objects.
    for apart in range(1, len(order)):
        first, second = order[:-apart], order[apart:]
        same = truths.images[first] == truths.images[second]
        same &= truths.labels[first] == truths.labels[second]
        if not same.any():
            return
        first, second = first[same], second[same]
        ious = paired_iou(truths.boxes[first], truths.boxes[second])
        for at in np.flatnonzero(ious > SAME_OBJECT):
            x1, y1, x2, y2 = truths.boxes[second[at]].tolist()
            yield Suspect(
                image=int(truths.images[second[at]]),
                kind=SuspectKind.DOUBLE_ANNOTATION,
                box=(x1, y1, x2, y2),
                label=int(truths.labels[second[at]]),
                truth=int(second[at]),
                score=float(ious[at]),
            )
