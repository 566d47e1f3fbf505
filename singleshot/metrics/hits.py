"""Which detections are right: the rule of VOCdevkit (VOCevaldet.m).

Detections of a class are taken by falling score over all pictures. Each looks at the one truth of
its class and picture that it overlaps most, whether or not that truth is still free:

    overlap below the threshold        a false alarm
    else, the truth is ignored         neither right nor wrong, however many detections look at it
    else, the truth was hit before     a false alarm: a second detection of the same object
    else                               a hit

Equal scores keep the order in which the detections are given: by picture, and within a picture as
the detector gave them. Equal overlaps go to the truth that was annotated first.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int64

from singleshot.metrics.columns import Predictions, Truths

__all__ = ["Hits", "find_hits"]


@dataclass(frozen=True, slots=True)
class Hits:
    """The fate of each detection; a false alarm is neither a hit nor ignored."""

    truths: Int64[np.ndarray, " n"]  # index of the truth that was hit, -1 for none
    ignored: Bool[np.ndarray, " n"]  # looks at a truth that does not count

    @property
    def hit(self) -> Bool[np.ndarray, " n"]:
        """Which detections found an object first."""
        return np.asarray(self.truths >= 0)


def find_hits(
    predictions: Predictions,
    truths: Truths,
    *,
    ignore: Bool[np.ndarray, " m"],
    iou_threshold: float,
) -> Hits:
    """Decide which detections are hits; truths marked `ignore` reward and punish nobody."""
    assert iou_threshold > 0, "a detection that overlaps nothing looks at nothing"
    looked_at, ious = most_overlapped(predictions, truths)
    near = np.flatnonzero(ious >= iou_threshold)
    excused = ignore[looked_at[near]]

    # What a detection looks at does not depend on the others, so only the first to look is needed.
    rivals = near[~excused]
    rivals = rivals[np.argsort(-predictions.scores[rivals], kind="stable")]
    hit_truths, first = np.unique(looked_at[rivals], return_index=True)

    hit = np.full(len(predictions), -1, np.int64)
    hit[rivals[first]] = hit_truths
    ignored = np.zeros(len(predictions), np.bool_)
    ignored[near[excused]] = True
    return Hits(hit, ignored)


def most_overlapped(
    predictions: Predictions, truths: Truths
) -> tuple[Int64[np.ndarray, " n"], Float64[np.ndarray, " n"]]:
    """Index of the truth (same picture, same class) each detection overlaps most, and that IoU.

    A detection that overlaps none has index -1 and IoU 0. The first truths of all pictures and
    classes are compared at once, then the second ones: there are as many rounds as a picture has
    objects of one class, and no table of all pairs.
    """
    looked_at = np.full(len(predictions), -1, np.int64)
    ious = np.zeros(len(predictions))
    by_group, starts, counts = group_truths(predictions, truths)
    active = np.arange(len(predictions))
    for k in range(counts.max(initial=0)):
        active = active[counts[active] > k]
        candidates = by_group[starts[active] + k]
        overlap = paired_iou(predictions.boxes[active], truths.boxes[candidates])
        better = overlap > ious[active]
        looked_at[active[better]] = candidates[better]
        ious[active[better]] = overlap[better]
    return looked_at, ious


def group_truths(
    predictions: Predictions, truths: Truths
) -> tuple[Int64[np.ndarray, " m"], Int64[np.ndarray, " n"], Int64[np.ndarray, " n"]]:
    """Truths ordered by picture and class; for each detection, where its group starts, its size."""
    num_labels = 1 + max(predictions.labels.max(initial=0), truths.labels.max(initial=0))
    groups = truths.images * num_labels + truths.labels
    own_group = predictions.images * num_labels + predictions.labels
    by_group = np.argsort(groups, kind="stable")
    starts = np.searchsorted(groups[by_group], own_group, side="left")
    ends = np.searchsorted(groups[by_group], own_group, side="right")
    return by_group, starts, ends - starts


def paired_iou(
    boxes: Float64[np.ndarray, "n 4"], others: Float64[np.ndarray, "n 4"]
) -> Float64[np.ndarray, " n"]:
    """Overlap of each box with its partner, intersection / union; 0 where either has no area."""
    top_left = np.maximum(boxes[:, :2], others[:, :2])
    bottom_right = np.minimum(boxes[:, 2:], others[:, 2:])
    intersection = np.prod(np.maximum(bottom_right - top_left, 0), axis=1)
    areas = [np.prod(these[:, 2:] - these[:, :2], axis=1) for these in (boxes, others)]
    union = areas[0] + areas[1] - intersection
    ious = np.zeros(len(boxes))
    np.divide(intersection, union, out=ious, where=intersection > 0)
    return ious
