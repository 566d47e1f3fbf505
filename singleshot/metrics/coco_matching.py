"""True positives by the rule of COCO (cocoeval.py, evaluateImg), at several IoU thresholds.

Detections of a class and an image are taken by falling score, 100 at most. Each takes the object
of its class that it overlaps most among those still free, of equals the last annotated; VOC's rule
has no such second choice. Only a detection that gets no object may belong to a crowd: it is then
neither right nor wrong, its overlap is its own share inside the crowd, and a crowd is never used
up.

hotcoco matches alike, but hands its matches out as an object for each image and class, which
takes fifty times as long as matching.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int64

from singleshot.metrics.coco import to_xywh
from singleshot.metrics.detection_tables import Predictions, Truths
from singleshot.metrics.voc_matching import group_truths

__all__ = [
    "IOU_THRESHOLDS",
    "CocoOutcomes",
    "count_images_over_limit",
    "find_coco_true_positives",
    "limit_note",
]

IOU_THRESHOLDS = np.linspace(0.5, 0.95, 10)
DETECTIONS_PER_IMAGE = 100  # of one class

Boxes = Float64[np.ndarray, "n 4"]


@dataclass(frozen=True, slots=True)
class CocoOutcomes:
    """Outcome of each detection at each IoU threshold; neither of both is a false positive."""

    true_positive: Bool[np.ndarray, "n num_thresholds"]
    ignored: Bool[np.ndarray, "n num_thresholds"]  # in a crowd, or not among the best 100


@dataclass(frozen=True, slots=True)
class Pairs:
    """Detections with the truths that they overlap enough at the lowest threshold."""

    detections: Int64[np.ndarray, " p"]
    truths: Int64[np.ndarray, " p"]
    overlaps: Float64[np.ndarray, " p"]

    def __getitem__(self, chosen: np.ndarray | slice) -> Pairs:
        return Pairs(self.detections[chosen], self.truths[chosen], self.overlaps[chosen])


def find_coco_true_positives(
    predictions: Predictions,
    truths: Truths,
    *,
    iou_thresholds: Float64[np.ndarray, " num_thresholds"] = IOU_THRESHOLDS,
) -> CocoOutcomes:
    """Find the true positives, detections of the same rank in all images at once."""
    needed = np.minimum(iou_thresholds, 1 - 1e-10)
    ranks = ranks_in_image(predictions)
    shape = len(predictions), len(needed)
    outcomes = CocoOutcomes(np.zeros(shape, np.bool_), np.zeros(shape, np.bool_))
    outcomes.ignored[ranks >= DETECTIONS_PER_IMAGE] = True

    pairs = find_pairs(predictions, truths, needed.min())
    pairs = pairs[ranks[pairs.detections] < DETECTIONS_PER_IMAGE]
    pairs = pairs[in_order_of_choice(pairs, ranks, truths.crowd)]
    ends = np.searchsorted(ranks[pairs.detections], np.arange(DETECTIONS_PER_IMAGE), side="right")
    available = np.ones((len(truths), len(needed)), np.bool_)
    for start, end in zip([0, *ends[:-1]], ends, strict=True):
        if start < end:
            choose(pairs[start:end], needed, truths.crowd, available, outcomes)
    return outcomes


def count_images_over_limit(truths: Truths) -> int:
    """Count the images with more objects of one class than COCO counts detections of it."""
    num_labels = 1 + truths.labels.max(initial=0)
    groups = (truths.images * num_labels + truths.labels)[~truths.crowd]
    own, counts = np.unique(groups, return_counts=True)
    return len(np.unique(own[counts > DETECTIONS_PER_IMAGE] // num_labels))


def limit_note(num_images: int) -> str | None:
    """State that COCO's limit lowers the AP of so many images; None without any."""
    if not num_images:
        return None
    images = "1 image has" if num_images == 1 else f"{num_images:,} images have"
    return (
        f"{images} more than {DETECTIONS_PER_IMAGE} objects of a class, and COCO counts the "
        f"{DETECTIONS_PER_IMAGE} surest detections of a class in an image: its AP and AR stay "
        f"below 1 even if all are found; the protocols voc07 and voc10 count all detections"
    )


def choose(
    pairs: Pairs,
    needed: Float64[np.ndarray, " num_thresholds"],
    crowd: Bool[np.ndarray, " m"],
    available: Bool[np.ndarray, "m num_thresholds"],
    outcomes: CocoOutcomes,
) -> None:
    """Give one detection of each image and class the first of its pairs that is still free."""
    possible = (pairs.overlaps[:, None] >= needed) & available[pairs.truths]
    nothing = len(possible)
    starts = np.flatnonzero(np.diff(pairs.detections, prepend=-1))
    numbered = np.where(possible, np.arange(nothing)[:, None], nothing)
    first = np.minimum.reduceat(numbered, starts, axis=0)
    chooser, threshold = np.nonzero(first < nothing)
    chosen = pairs[first[chooser, threshold]]
    in_crowd = crowd[chosen.truths]
    outcomes.true_positive[chosen.detections, threshold] = ~in_crowd
    outcomes.ignored[chosen.detections, threshold] = in_crowd
    available[chosen.truths, threshold] = in_crowd


def ranks_in_image(predictions: Predictions) -> Int64[np.ndarray, " n"]:
    """Count the detections of the same image and class that come before each."""
    keys = -predictions.scores, predictions.labels, predictions.images
    order = np.lexsort(keys)
    labels, images = predictions.labels[order], predictions.images[order]
    new = np.append(True, (np.diff(labels) != 0) | (np.diff(images) != 0))[: len(order)]
    starts = np.flatnonzero(new)
    ranks = np.empty(len(order), np.int64)
    ranks[order] = np.arange(len(order)) - starts[new.cumsum() - 1]
    return ranks


def in_order_of_choice(
    pairs: Pairs, ranks: Int64[np.ndarray, " n"], crowd: Bool[np.ndarray, " m"]
) -> Int64[np.ndarray, " p"]:
    """Sort by rank and detection; objects before crowds, best first, of equals the last."""
    keys = -pairs.truths, -pairs.overlaps, crowd[pairs.truths], pairs.detections
    return np.lexsort((*keys, ranks[pairs.detections]))


def find_pairs(predictions: Predictions, truths: Truths, lowest: float) -> Pairs:
    """Compare the first truth of all images and classes at once, then the second ones …"""
    boxes, others = to_xywh(predictions.boxes), to_xywh(truths.boxes)
    by_group, starts, counts = group_truths(predictions, truths, np.arange(len(truths)))
    active = np.arange(len(predictions))
    found = [Pairs(active[:0], active[:0], np.zeros(0))]
    for k in range(counts.max(initial=0)):
        active = active[counts[active] > k]
        candidates = by_group[starts[active] + k]
        overlaps = coco_overlap(boxes[active], others[candidates], truths.crowd[candidates])
        near = overlaps >= lowest
        found.append(Pairs(active[near], candidates[near], overlaps[near]))
    return Pairs(
        detections=np.concatenate([pairs.detections for pairs in found]),
        truths=np.concatenate([pairs.truths for pairs in found]),
        overlaps=np.concatenate([pairs.overlaps for pairs in found]),
    )


def coco_overlap(
    boxes: Boxes, others: Boxes, crowd: Bool[np.ndarray, " n"]
) -> Float64[np.ndarray, " n"]:
    """Compute the overlap of (x, y, width, height) boxes, rounded as COCO's bbIou (maskApi.c).

    Intersection / union; with a crowd, intersection / own area.
    """
    top_left = np.maximum(boxes[:, :2], others[:, :2])
    bottom_right = np.minimum(boxes[:, :2] + boxes[:, 2:], others[:, :2] + others[:, 2:])
    shared = np.prod(np.maximum(bottom_right - top_left, 0), axis=1)
    own = np.prod(boxes[:, 2:], axis=1)
    whole = np.where(crowd, own, own + np.prod(others[:, 2:], axis=1) - shared)
    overlap = np.divide(shared, whole, out=np.zeros(len(boxes)), where=shared > 0)
    return np.asarray(overlap)
