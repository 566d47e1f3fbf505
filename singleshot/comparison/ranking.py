"""Rank detectors: intervals and p-values of their accuracy.

All detectors are evaluated on the same bootstrap draws of the images (see `metrics.bootstrap`), so
that each has an interval of its own, and every pair an interval and a p-value of its difference
(see `metrics.intervals`).

Among many pairs some differ by chance, so p-values are adjusted by Holm's method (1979): that of
the k-th smallest of m is the running maximum of (m - k + 1) p. Calling pairs different whose
adjusted p-value is at most 5 % is wrong about any pair in at most 5 % of comparisons, whatever the
dependence between the pairs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64

from singleshot.metrics import bootstrap
from singleshot.metrics.detection_tables import Predictions, Truths
from singleshot.metrics.intervals import (
    FEWEST_IMAGES,
    AccuracyEstimate,
    estimate_accuracy,
    few_images_note,
    interval_of_difference,
    num_draws_for,
    p_value_of_difference,
    p_value_of_tail,
)
from singleshot.metrics.protocol import Protocol
from singleshot.metrics.weighted_average_precision import outcomes_per_class

__all__ = [
    "SIGNIFICANCE",
    "PairwiseDifference",
    "Ranking",
    "adjust_p_values",
    "draw_means",
    "num_resamples_for",
    "rank_detectors",
    "rank_means",
]

SIGNIFICANCE = 0.05  # largest adjusted p-value at which a pair is called different
FEWEST_RESAMPLES, MOST_RESAMPLES = 1000, 40_000


class PairwiseDifference(NamedTuple):
    """Mean average precision of one detector minus that of another; None where undefined."""

    first: int  # index of the detector
    second: int
    difference: float | None  # on all images
    low: float | None
    high: float | None
    p_value: float | None
    p_value_adjusted: float | None  # for the number of pairs

    @property
    def differs(self) -> bool:
        """Compare the adjusted p-value with `SIGNIFICANCE`."""
        return self.p_value_adjusted is not None and self.p_value_adjusted <= SIGNIFICANCE


@dataclass(frozen=True)
class Ranking:
    """Accuracy of each detector and the difference of every pair, with how they were drawn."""

    images: int  # with truths that count
    resamples: int
    seed: int
    confidence: float
    estimates: tuple[AccuracyEstimate, ...]
    pairs: tuple[PairwiseDifference, ...]  # each once, in the order the detectors were given

    def notes(self) -> tuple[str, ...]:
        """State why intervals or p-values cannot be relied on; nothing with enough images."""
        rough = few_images_note(self.images)
        notes = [] if rough is None else [rough]
        if self.images >= FEWEST_IMAGES and self._smallest_p_value() > SIGNIFICANCE:
            notes.append(
                f"{self.images} images with objects are too few to call any of "
                f"{len(self.pairs)} pairs different, however large the difference; compare fewer "
                f"detectors, or on more images"
            )
        return tuple(notes)

    def _smallest_p_value(self) -> float:
        """Compute the adjusted p-value of a pair that is different in every draw."""
        return len(self.pairs) * p_value_of_tail(1 / (1 + self.resamples), images=self.images)


def num_resamples_for(num_detectors: int, *, images: int) -> int:
    """Return enough bootstrap draws for an adjusted p-value of any pair to be significant.

    The fewer images, the more draws that takes; among too few none are enough.
    """
    num_pairs = num_detectors * (num_detectors - 1) // 2
    if images < FEWEST_IMAGES or not num_pairs:
        return FEWEST_RESAMPLES
    needed = num_draws_for(SIGNIFICANCE / 2 / num_pairs, images=images)
    return min(max(needed, FEWEST_RESAMPLES), MOST_RESAMPLES)


def rank_detectors(
    predictions: Sequence[Predictions],
    truths: Truths,
    num_classes: int,
    *,
    protocol: Protocol,
    iou_threshold: float = 0.5,
    resamples: int | None = None,
    seed: int = 0,
    confidence: float = 0.95,
) -> Ranking:
    """Compare the mean average precision of every detector with every other on the same images.

    Args:
        predictions: the detections of each detector; their labels mean the same classes.
        truths: the ground truth.
        num_classes: the number of classes.
        protocol: with COCO, average precision is over its ten IoU thresholds.
        iou_threshold: from which a detection is a true positive, by the other protocols.
        resamples: how often images are drawn; default: by the number of pairs.
        seed: of the draws.
        confidence: how often an interval should hold the true value.
    """
    images = len(np.unique(truths.images[~protocol.ignores(truths)]))
    if resamples is None:
        resamples = num_resamples_for(len(predictions), images=images)
    means = draw_means(
        predictions,
        truths,
        num_classes,
        protocol=protocol,
        iou_threshold=iou_threshold,
        resamples=resamples,
        seed=seed,
    )
    return rank_means(means, images=images, seed=seed, confidence=confidence)


def rank_means(
    means: Sequence[Float64[np.ndarray, " draws"]], *, images: int, seed: int, confidence: float
) -> Ranking:
    """Compare detectors by what `draw_means` returns, on so many images with truths."""
    return Ranking(
        images=images,
        resamples=len(means[0]) - 1,
        seed=seed,
        confidence=confidence,
        estimates=tuple(estimate_accuracy(own, confidence, images=images) for own in means),
        pairs=_compare_pairs(means, confidence, images=images),
    )


def draw_means(
    predictions: Sequence[Predictions],
    truths: Truths,
    num_classes: int,
    *,
    protocol: Protocol,
    iou_threshold: float,
    resamples: int,
    seed: int,
) -> list[Float64[np.ndarray, " draws"]]:
    """Compute the mean average precision of each detector on all images, then in each draw."""
    outcomes = [
        outcomes_per_class(one, truths, num_classes, protocol=protocol, iou_threshold=iou_threshold)
        for one in predictions
    ]
    return bootstrap.draw_mean_precisions(
        outcomes, truths, protocol=protocol, resamples=resamples, seed=seed
    )


def _compare_pairs(
    means: Sequence[Float64[np.ndarray, " draws"]], confidence: float, *, images: int
) -> tuple[PairwiseDifference, ...]:
    """Compare every pair of detectors, with p-values adjusted for the number of pairs."""
    pairs = []
    for (first, own), (second, other) in combinations(enumerate(means), 2):
        one = interval_of_difference(own - other, confidence, images=images)
        p_value = None
        if one.low is not None:
            p_value = p_value_of_difference(own[1:] - other[1:], images=images)
        pairs.append(
            PairwiseDifference(first, second, one.difference, one.low, one.high, p_value, None)
        )
    known = [pair.p_value for pair in pairs if pair.p_value is not None]
    adjusted = iter(adjust_p_values(known))
    return tuple(
        pair if pair.p_value is None else pair._replace(p_value_adjusted=next(adjusted))
        for pair in pairs
    )


def adjust_p_values(p_values: Sequence[float]) -> list[float]:
    """Adjust p-values for their number by Holm's step-down method, keeping their order."""
    order = np.argsort(p_values, kind="stable")
    adjusted, largest = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted
