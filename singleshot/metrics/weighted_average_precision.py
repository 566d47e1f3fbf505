"""Average precision with a weight for each image.

True positives in an image do not depend on the other images. So detections are matched and sorted
once, and an image of weight w counts its true positives, false positives and truths w times. At
the k-th true positive of a class, best first:

    recall_k    = sum of w over the first k true positives / sum of w over all truths
    precision_k = sum of w over the first k true positives / sum of w over all detections until
                  the k-th true positive
    AP          = sum over k of (best precision from k on) x (rise of the part of recall reached)

where the part reached is recall itself (voc10), or the share of the 11 (voc07) or 101 (coco) points
that are not above it. A whole weight gives what copies of the image, each after the other, would.

Equal scores rank as they do in the reports of the protocol: by COCO's code in the order of the
images, by VOC's in the order in which the detections are given.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float64, Int64
from typing_extensions import assert_never

from singleshot.metrics.average_precision import ELEVEN, HUNDRED_ONE
from singleshot.metrics.coco_matching import find_coco_true_positives
from singleshot.metrics.detection_tables import Predictions, Truths
from singleshot.metrics.protocol import Protocol
from singleshot.metrics.voc_matching import find_true_positives

__all__ = ["ClassOutcomes", "outcomes_per_class", "weighted_average_precisions"]

Weights = Float64[np.ndarray, "num_images draws"]


@dataclass(frozen=True, slots=True)
class ClassOutcomes:
    """The detections of one class until its last true positive, best first, and its truths."""

    images: Int64[np.ndarray, " n"]
    true_positive: Bool[np.ndarray, "n num_thresholds"]
    ignored: Bool[np.ndarray, "n num_thresholds"]
    truth_images: Int64[np.ndarray, " m"]  # of the truths that count


def outcomes_per_class(
    predictions: Predictions,
    truths: Truths,
    num_classes: int,
    *,
    protocol: Protocol,
    iou_threshold: float,
) -> list[ClassOutcomes]:
    """Match and sort all detections of each class: at COCO's ten IoU thresholds, or at one."""
    ignore = protocol.ignores(truths)
    best_first = -predictions.scores, predictions.labels
    if protocol is Protocol.COCO:
        found = find_coco_true_positives(predictions, truths)
        true_positive, ignored = found.true_positive, found.ignored
        order = np.lexsort((predictions.images, *best_first))
    else:
        outcomes = find_true_positives(
            predictions, truths, ignore=ignore, iou_threshold=iou_threshold
        )
        true_positive, ignored = outcomes.true_positive[:, None], outcomes.ignored[:, None]
        order = np.lexsort(best_first)
    ends = np.searchsorted(predictions.labels[order], range(num_classes), side="right")
    per_class = []
    for label, own in enumerate(np.split(order, ends)[:num_classes]):
        # What comes after the last true positive changes nothing.
        kept = own[: 1 + np.flatnonzero(true_positive[own].any(axis=1)).max(initial=-1)]
        truth_images = truths.images[~ignore & (truths.labels == label)]
        per_class.append(
            ClassOutcomes(
                predictions.images[kept], true_positive[kept], ignored[kept], truth_images
            )
        )
    return per_class


def weighted_average_precisions(
    outcomes: Sequence[ClassOutcomes], weights: Weights, *, protocol: Protocol
) -> Float64[np.ndarray, "num_classes draws"]:
    """Compute AP of each class for each column of weights; NaN without truths of weight."""
    return np.array([class_precision(own, weights, protocol) for own in outcomes]).reshape(
        len(outcomes), weights.shape[1]
    )


def class_precision(
    outcomes: ClassOutcomes, weights: Weights, protocol: Protocol
) -> Float64[np.ndarray, " draws"]:
    """Compute AP of one class, the mean over the IoU thresholds."""
    num_truths = weights[outcomes.truth_images].sum(axis=0)
    steps = np.flatnonzero(outcomes.true_positive.any(axis=1))
    num_found = sums_until(steps, outcomes.images, weights)
    total = np.zeros(len(num_truths))
    for true_positive, ignored in zip(outcomes.true_positive.T, outcomes.ignored.T, strict=True):
        own = np.flatnonzero(true_positive)
        num_true_positives = weights[outcomes.images[own]].cumsum(axis=0)
        num_counted = num_found[np.searchsorted(steps, own)]
        num_counted -= sums_until(own, outcomes.images, weights, among=ignored)
        total += area_under_curve(
            num_true_positives, num_counted, np.maximum(num_truths, 1), protocol
        )
    return np.where(num_truths > 0, total / outcomes.true_positive.shape[1], np.nan)


def sums_until(
    places: Int64[np.ndarray, " k"],
    images: Int64[np.ndarray, " n"],
    weights: Weights,
    *,
    among: Bool[np.ndarray, " n"] | None = None,
) -> Float64[np.ndarray, "k draws"]:
    """Sum the weights of all detections up to and with each place; or of those `among` them."""
    taken = np.arange(len(images)) if among is None else np.flatnonzero(among)
    ends = np.searchsorted(taken, places, side="right")
    if not len(ends) or not ends[-1]:
        return np.zeros((len(places), weights.shape[1]))
    # A bag of embeddings is a sum of chosen rows, without a copy of each: 40 times NumPy's speed.
    sums = F.embedding_bag(
        torch.from_numpy(images[taken[: ends[-1]]]),
        torch.from_numpy(weights),
        torch.from_numpy(np.append(0, ends[:-1])),
        mode="sum",
    )
    return np.asarray(sums.cumsum(dim=0).numpy())


def area_under_curve(
    num_true_positives: Float64[np.ndarray, "k draws"],
    num_counted: Float64[np.ndarray, "k draws"],
    num_truths: Float64[np.ndarray, " draws"],
    protocol: Protocol,
) -> Float64[np.ndarray, " draws"]:
    """Compute AP of each column from the weighted counts at each true positive."""
    precision = num_true_positives / np.maximum(num_counted, 1)
    best = np.maximum.accumulate(precision[::-1], axis=0)[::-1]
    reached = part_reached(num_true_positives / num_truths, protocol)
    return np.asarray(np.einsum("kd,kd->d", best, np.diff(reached, axis=0, prepend=0)))


def part_reached(
    recall: Float64[np.ndarray, "k draws"], protocol: Protocol
) -> Float64[np.ndarray, "k draws"]:
    """Convert recall to the share of the recall axis that the protocol counts as reached."""
    match protocol:
        case Protocol.VOC07:
            return share_of_points(ELEVEN, recall)
        case Protocol.VOC10:
            return recall
        case Protocol.COCO:
            return share_of_points(HUNDRED_ONE, recall)
        case _:
            assert_never(protocol)


def share_of_points(
    points: Float64[np.ndarray, " points"], recall: Float64[np.ndarray, "k draws"]
) -> Float64[np.ndarray, "k draws"]:
    """Compute the share of points, evenly from 0 to 1, that are not above the recall.

    They are searched for among two neighbours only, since rounding errs by one at most.
    """
    near = (recall * (len(points) - 1)).astype(np.int64)
    padded = np.append(points, np.inf)
    number = near + (padded[near] <= recall) + (padded[near + 1] <= recall)
    return np.asarray(number / len(points))
