"""True positives by the rule of VOCdevkit (VOCevaldet.m), and regions as in COCO.

Detections of a class are taken by falling score over all images. Each looks at the one object of
its class and image that it overlaps most, whether or not that object is still free:

    overlap below the threshold        a false positive
    else, the object is ignored        neither right nor wrong, however many detections look at it
    else, the object is taken          a false positive: a second detection of the same object
    else                               a true positive

Equal scores keep the order in which the detections are given: by image, and within an image as
the detector gave them. Equal overlaps go to the object that was annotated first.

A region (a crowd, a group, a part left unannotated) is no object. What would be a false positive
is ignored when at least the threshold's share of its own area lies inside one region of its class
(cocoeval.py: the union of a crowd is the detection's area).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int64

from singleshot.metrics.detection_tables import Predictions, Truths

__all__ = ["Outcomes", "Overlaps", "find_overlaps", "find_true_positives", "true_positives_at"]

DETECTIONS_AT_ONCE = 1 << 15  # their boxes stay in the processor's cache

Boxes = Float64[np.ndarray, "n 4"]


@dataclass(frozen=True, slots=True)
class Overlaps:
    """Object that each detection overlaps most, whatever the threshold."""

    truths: Int64[np.ndarray, " n"]  # the object of its class it overlaps most, -1 for none
    ious: Float64[np.ndarray, " n"]  # with that object
    covered: Float64[np.ndarray, " n"]  # share of its area inside one region of its class


@dataclass(frozen=True, slots=True)
class Outcomes:
    """Outcome of each detection; a false positive is neither a true positive nor ignored."""

    truths: Int64[np.ndarray, " n"]  # index of the truth that it detects, -1 for none
    ignored: Bool[np.ndarray, " n"]  # looks at a truth that does not count

    @property
    def true_positive(self) -> Bool[np.ndarray, " n"]:
        """Detections that are the surest of an object."""
        return np.asarray(self.truths >= 0)


def find_true_positives(
    predictions: Predictions,
    truths: Truths,
    *,
    ignore: Bool[np.ndarray, " m"],
    iou_threshold: float,
) -> Outcomes:
    """Find the true positives; truths marked `ignore` count neither for nor against a detector."""
    overlaps = find_overlaps(predictions, truths)
    return true_positives_at(
        overlaps, predictions.scores, ignore=ignore, iou_threshold=iou_threshold
    )


def find_overlaps(predictions: Predictions, truths: Truths) -> Overlaps:
    """Find the object that each detection overlaps most: the costly half of the search."""
    objects, ious = most_overlapped(predictions, truths, np.flatnonzero(~truths.crowd), paired_iou)
    _, covered = most_overlapped(
        predictions, truths, np.flatnonzero(truths.crowd), intersection_over_own_area
    )
    return Overlaps(objects, ious, covered)


def true_positives_at(
    overlaps: Overlaps,
    scores: Float64[np.ndarray, " n"],
    *,
    ignore: Bool[np.ndarray, " m"],
    iou_threshold: float,
) -> Outcomes:
    """Find the true positives at one of several thresholds."""
    assert iou_threshold > 0, "a detection that overlaps nothing looks at nothing"
    near = np.flatnonzero(overlaps.ious >= iou_threshold)
    on_ignored = ignore[overlaps.truths[near]]

    # What a detection looks at does not depend on the others, so only the first to look is needed.
    rivals = near[~on_ignored]
    rivals = rivals[np.argsort(-scores[rivals], kind="stable")]
    matched_truths, first = np.unique(overlaps.truths[rivals], return_index=True)

    true_positive = np.full(len(scores), -1, np.int64)
    true_positive[rivals[first]] = matched_truths
    ignored = (overlaps.covered >= iou_threshold) & (true_positive < 0)
    ignored[near[on_ignored]] = True
    return Outcomes(true_positive, ignored)


def most_overlapped(
    predictions: Predictions,
    truths: Truths,
    among: Int64[np.ndarray, " k"],
    overlap_of: Callable[[Boxes, Boxes], Float64[np.ndarray, " n"]],
) -> tuple[Int64[np.ndarray, " n"], Float64[np.ndarray, " n"]]:
    """Find the truth (same image and class, `among` these) each detection overlaps most.

    And that overlap; a detection that overlaps none has index -1 and overlap 0. The first truths of
    all images and classes are compared at once, then the second ones: there are as many rounds as
    an image has objects of one class, and no table of all pairs. Many detections take turns, so
    that copies of their boxes need little memory.
    """
    looked_at = np.full(len(predictions), -1, np.int64)
    greatest = np.zeros(len(predictions))
    by_group, starts, counts = group_truths(predictions, truths, among)
    comparable = np.flatnonzero(counts)
    for first in range(0, len(comparable), DETECTIONS_AT_ONCE):
        active = comparable[first : first + DETECTIONS_AT_ONCE]
        for k in range(counts[active].max()):
            active = active[counts[active] > k]
            candidates = by_group[starts[active] + k]
            overlap = overlap_of(predictions.boxes[active], truths.boxes[candidates])
            better = overlap > greatest[active]
            looked_at[active[better]] = candidates[better]
            greatest[active[better]] = overlap[better]
    return looked_at, greatest


def group_truths(
    predictions: Predictions, truths: Truths, among: Int64[np.ndarray, " k"]
) -> tuple[Int64[np.ndarray, " k"], Int64[np.ndarray, " n"], Int64[np.ndarray, " n"]]:
    """Order truths by image and class; find the start and size of each detection's group."""
    num_labels = 1 + max(predictions.labels.max(initial=0), truths.labels.max(initial=0))
    groups = truths.images[among] * num_labels + truths.labels[among]
    own_group = predictions.images * num_labels + predictions.labels
    order = np.argsort(groups, kind="stable")
    known, starts, counts = np.unique(groups[order], return_index=True, return_counts=True)
    # One search for the group itself; past the last one stands a group of no detection.
    place = np.searchsorted(known, own_group)
    known, starts, counts = np.append(known, -1), np.append(starts, 0), np.append(counts, 0)
    return among[order], starts[place], np.where(known[place] == own_group, counts[place], 0)


def paired_iou(boxes: Boxes, others: Boxes) -> Float64[np.ndarray, " n"]:
    """Compute the IoU of each box with its partner; 0 where either has no area."""
    shared = intersection(boxes, others)
    return share(shared, box_areas(boxes) + box_areas(others) - shared)


def intersection_over_own_area(boxes: Boxes, regions: Boxes) -> Float64[np.ndarray, " n"]:
    """Compute the share of each box's area inside its partner; 0 where either has no area."""
    return share(intersection(boxes, regions), box_areas(boxes))


def intersection(boxes: Boxes, others: Boxes) -> Float64[np.ndarray, " n"]:
    """Compute the area that each box shares with its partner."""
    top_left = np.maximum(boxes[:, :2], others[:, :2])
    bottom_right = np.minimum(boxes[:, 2:], others[:, 2:])
    width, height = np.maximum(bottom_right - top_left, 0).T
    return np.asarray(width * height)


def box_areas(boxes: Boxes) -> Float64[np.ndarray, " n"]:
    """Compute width times height."""
    x1, y1, x2, y2 = boxes.T
    return np.asarray((x2 - x1) * (y2 - y1))


def share(
    part: Float64[np.ndarray, " n"], whole: Float64[np.ndarray, " n"]
) -> Float64[np.ndarray, " n"]:
    """Divide part by whole, 0 where there is no part."""
    result = np.zeros(len(part))
    np.divide(part, whole, out=result, where=part > 0)
    return result
