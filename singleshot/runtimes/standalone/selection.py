"""Non-maximum suppression of each kind, in NumPy: all pairs of boxes at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from singleshot.runtimes.standalone.decoding import Candidates

__all__ = ["select"]


def select(
    found: Candidates, postprocessing: Mapping[str, Any], sides: Sequence[float] = (1, 1)
) -> Candidates:
    """Select detections: the best of each label, NMS within each, the best of all; best first.

    `sides` are width and height of the image, in which NMS of the kind `distance` measures.
    """
    boxes, scores, labels, priors = found
    if postprocessing["clip_before_nms"]:
        boxes = np.clip(boxes, 0, 1)
    finite = np.isfinite(boxes).all(axis=1)
    if not finite.all():
        boxes, scores, labels = boxes[finite], scores[finite], labels[finite]
        priors = None if priors is None else priors[finite]
    keep, kind = postprocessing["keep"], postprocessing["nms"]
    order = np.lexsort((-scores, labels))
    order = order[_rank(labels[order])[0] < postprocessing["top_k"]]
    if kind == "soft":
        scores = _decay(boxes, scores, labels, order, postprocessing["soft_sigma"])
        kept = order[scores[order] > np.float32(postprocessing["score_threshold"])]
    else:
        kept = _greedy(Candidates(boxes, scores, labels), order, postprocessing, sides)
    kept = kept[np.argsort(-scores[kept], kind="stable")][:keep]
    chosen = boxes[kept]
    if kind == "weighted" and len(kept):
        chosen = _average(Candidates(boxes, scores, labels), kept, order, postprocessing)
    priors = None if priors is None else priors[kept]
    return Candidates(np.clip(chosen, 0, 1), scores[kept], labels[kept], priors)


def _greedy(
    found: Candidates, order: np.ndarray, postprocessing: Mapping[str, Any], sides: Sequence[float]
) -> np.ndarray:
    """Return those of `order` that greedy NMS keeps; of many, enough of the best."""
    front = 4 * postprocessing["keep"]
    if len(order) > front:
        # Worse boxes are not needed, unless too many of the best suppress each other.
        scores = found.scores[order]
        least = np.partition(scores, len(scores) - front)[len(scores) - front]
        kept = _suppress(found, order[scores >= least], postprocessing, sides)
        if len(kept) >= postprocessing["keep"]:
            return kept
    return _suppress(found, order, postprocessing, sides)


def _suppress(
    found: Candidates, index: np.ndarray, postprocessing: Mapping[str, Any], sides: Sequence[float]
) -> np.ndarray:
    """Return those of `index` that greedy NMS keeps, given by label, best first."""
    boxes, labels = found.boxes, found.labels
    _, later = _rank(labels[index])
    # All pairs of one label, the better box first.
    better = np.repeat(np.arange(len(index)), later)
    start = np.repeat(np.cumsum(later) - later, later)
    worse = better + 1 + np.arange(len(better)) - start
    distance = postprocessing["nms"] == "distance"
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        placed = boxes[index]
        if distance:
            placed = placed * np.array([*sides, *sides], np.float32)
        corners = np.ascontiguousarray(placed.T)
        overlap = _iou(corners, better, worse)
        if distance:
            overlap -= _distance(corners, better, worse)
        close = overlap > np.float32(postprocessing["iou_threshold"])
    better, worse = better[close], worse[close]
    # A box stays unless a better one that stays is close: right for the k-th after k rounds.
    stays = np.ones(len(index), bool)
    while True:
        before, stays = stays, np.ones(len(index), bool)
        stays[worse[before[better]]] = False
        if (before == stays).all():
            return index[stays]


def _average(
    found: Candidates, kept: np.ndarray, order: np.ndarray, postprocessing: Mapping[str, Any]
) -> np.ndarray:
    """Average each box that is kept with those it removes, weighted by score."""
    boxes, scores, labels, _ = found
    counts = np.bincount(labels[order], minlength=labels[kept].max() + 1)
    numbers = counts[labels[kept]]
    # All pairs of a kept box and a candidate of its label, the best kept box first.
    one = np.repeat(np.arange(len(kept)), numbers)
    start = (np.cumsum(counts) - counts)[labels[kept]] - (np.cumsum(numbers) - numbers)
    other = np.arange(len(one)) + np.repeat(start, numbers)
    both = np.concatenate([boxes[kept], boxes[order]]).T
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        iou = _iou(np.ascontiguousarray(both), one, len(kept) + other)
        close = iou > np.float32(postprocessing["iou_threshold"])
    close |= kept[one] == order[other]
    # A box belongs to the best of those that are kept and close: the last that is written.
    owner = np.full(len(order), -1)
    owner[other[close][::-1]] = one[close][::-1]
    owned = order[owner >= 0]
    terms = np.concatenate([boxes[owned], np.ones((len(owned), 1))], axis=1)
    terms *= scores[owned, None]
    owner = owner[owner >= 0]
    sums = np.stack([np.bincount(owner, column, len(kept)) for column in terms.T], axis=1)
    averaged: np.ndarray = (sums[:, :4] / sums[:, 4:]).astype(np.float32)
    return averaged


def _decay(
    boxes: np.ndarray, scores: np.ndarray, labels: np.ndarray, order: np.ndarray, sigma: float
) -> np.ndarray:
    """Lower the scores of each label's boxes by their overlap with every better one."""
    decayed = scores.copy()
    for label in np.unique(labels[order]):
        left = order[labels[order] == label]
        corners = np.ascontiguousarray(boxes[left].T)
        own, places = scores[left], np.arange(len(left))
        while len(places):
            best = int(own[places].argmax())
            taken, places = places[best], np.delete(places, best)
            with np.errstate(invalid="ignore", divide="ignore"):
                iou = np.nan_to_num(_iou(corners, np.array([taken]), places))
            own[places] *= np.exp(-(iou**2) / np.float32(sigma))
        decayed[left] = own
    lowered: np.ndarray = decayed
    return lowered


def _rank(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return how many of the same label come before and after each; equal ones are neighbours."""
    counts = np.bincount(labels)
    ends = np.cumsum(counts)[labels]
    place = np.arange(len(labels))
    return place - (ends - counts[labels]), ends - place - 1


def _iou(corners: np.ndarray, one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Compute the IoU of pairs of boxes, whose four coordinates are rows of `corners`."""
    x1, y1, x2, y2 = corners
    areas = (x2 - x1) * (y2 - y1)
    width = np.minimum(x2[one], x2[other]) - np.maximum(x1[one], x1[other])
    height = np.minimum(y2[one], y2[other]) - np.maximum(y1[one], y1[other])
    both = np.maximum(width, 0) * np.maximum(height, 0)
    iou: np.ndarray = both / (areas[one] + areas[other] - both)
    return iou


def _distance(corners: np.ndarray, one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Compute squared distances of centres, in squared diagonals of the enclosing boxes."""
    x1, y1, x2, y2 = corners
    x, y = (x1 + x2) / 2, (y1 + y2) / 2
    width = np.maximum(x2[one], x2[other]) - np.minimum(x1[one], x1[other])
    height = np.maximum(y2[one], y2[other]) - np.minimum(y1[one], y1[other])
    apart = (x[one] - x[other]) ** 2 + (y[one] - y[other]) ** 2
    relative: np.ndarray = apart / np.maximum(width**2 + height**2, 1e-12)
    return relative
