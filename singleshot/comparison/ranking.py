"""Rank detectors: intervals and p-values of their accuracy, and the Pareto front with their cost.

All detectors are evaluated on the same bootstrap draws of the images (see `metrics.bootstrap`), so
that each has an interval of its own, and every pair an interval of its difference. The p-value of a
pair is the level at which its percentile interval begins to exclude 0; a draw in which both are
equal counts against a difference, and the observed data count as one draw (Davison and Hinkley,
Bootstrap Methods and their Application, 1997, §4.2.3 and §5.3):

    p = min(1, 2 (1 + min(#{d <= 0}, #{d >= 0})) / (1 + draws))

Among many pairs some differ by chance, so p-values are adjusted by Holm's method (1979): that of
the k-th smallest of m is the running maximum of (m - k + 1) p. Calling pairs different whose
adjusted p-value is at most 5 % is wrong about any pair in at most 5 % of comparisons, whatever the
dependence between the pairs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64

from singleshot.metrics.average_precision import means_of_defined
from singleshot.metrics.bootstrap import ROUNDING, each_weights, interval_of
from singleshot.metrics.detection_tables import Predictions, Truths
from singleshot.metrics.protocol import Protocol
from singleshot.metrics.weighted_average_precision import (
    outcomes_per_class,
    weighted_average_precisions,
)

__all__ = [
    "SIGNIFICANCE",
    "AccuracyEstimate",
    "PairwiseDifference",
    "Ranking",
    "adjust_p_values",
    "num_resamples_for",
    "pareto_front",
    "pareto_front_by_cost",
    "rank_detectors",
]

SIGNIFICANCE = 0.05  # largest adjusted p-value at which a pair is called different
FEWEST_RESAMPLES = 1000
RESAMPLES_PER_PAIR = 100  # the smallest adjusted p-value is then two fifths of `SIGNIFICANCE`


class AccuracyEstimate(NamedTuple):
    """Mean average precision on all images with its interval; None where undefined."""

    value: float | None
    low: float | None
    high: float | None


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

    resamples: int
    seed: int
    confidence: float
    estimates: tuple[AccuracyEstimate, ...]
    pairs: tuple[PairwiseDifference, ...]  # each once, in the order the detectors were given


def num_resamples_for(num_detectors: int) -> int:
    """Return enough bootstrap draws for an adjusted p-value of any pair to be significant."""
    return max(FEWEST_RESAMPLES, RESAMPLES_PER_PAIR * num_detectors * (num_detectors - 1) // 2)


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
        confidence: the share of the draws that an interval holds.
    """
    resamples = num_resamples_for(len(predictions)) if resamples is None else resamples
    outcomes = [
        outcomes_per_class(one, truths, num_classes, protocol=protocol, iou_threshold=iou_threshold)
        for one in predictions
    ]
    parts: list[list[Float64[np.ndarray, " _draws"]]] = [[] for _ in predictions]
    for weights in each_weights(truths, resamples, np.random.default_rng(seed)):
        for own, one in zip(parts, outcomes, strict=True):
            of_classes = weighted_average_precisions(one, weights, protocol=protocol)
            own.append(means_of_defined(of_classes))
    means = [np.concatenate(own) for own in parts]
    num_images = len(np.unique(truths.images[~protocol.ignores(truths)]))
    return Ranking(
        resamples=resamples,
        seed=seed,
        confidence=confidence,
        estimates=tuple(_estimate(own, confidence, images=num_images) for own in means),
        pairs=_compare_pairs(means, confidence, images=num_images),
    )


def _estimate(
    means: Float64[np.ndarray, " draws"], confidence: float, *, images: int
) -> AccuracyEstimate:
    """Return the mean on all images, which comes first, and the spread of the other draws."""
    found = interval_of(means, confidence, images=images)
    return AccuracyEstimate(found.difference, found.low, found.high)


def _compare_pairs(
    means: Sequence[Float64[np.ndarray, " draws"]], confidence: float, *, images: int
) -> tuple[PairwiseDifference, ...]:
    """Compare every pair of detectors, with p-values adjusted for the number of pairs."""
    pairs = []
    for (first, own), (second, other) in combinations(enumerate(means), 2):
        one = interval_of(own - other, confidence, images=images)
        p_value = None if one.low is None else _two_sided_p_value(own[1:] - other[1:])
        pairs.append(
            PairwiseDifference(first, second, one.difference, one.low, one.high, p_value, None)
        )
    known = [pair.p_value for pair in pairs if pair.p_value is not None]
    adjusted = iter(adjust_p_values(known))
    return tuple(
        pair if pair.p_value is None else pair._replace(p_value_adjusted=next(adjusted))
        for pair in pairs
    )


def _two_sided_p_value(differences: Float64[np.ndarray, " draws"]) -> float:
    """Return the p-value of no difference, from the differences in the bootstrap draws."""
    drawn = differences[~np.isnan(differences)]
    rarer = min((drawn <= ROUNDING).sum(), (drawn >= -ROUNDING).sum())
    return float(min(1.0, 2 * (1 + rarer) / (1 + len(drawn))))


def adjust_p_values(p_values: Sequence[float]) -> list[float]:
    """Adjust p-values for their number by Holm's step-down method, keeping their order."""
    order = np.argsort(p_values, kind="stable")
    adjusted, largest = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted


def pareto_front(
    accuracies: Sequence[float | None], is_cheaper: Callable[[int, int], bool]
) -> list[bool]:
    """Mark the detectors on the Pareto front of accuracy and cost.

    A detector is dominated by another that is at least as accurate and not more expensive, and
    better in one of the two. `is_cheaper(i, j)` compares the costs of two detectors; where it is
    false both ways, as for timings that overlap, the costs count as equal. Such equality is not
    transitive, so that a detector may be dominated by one that is itself dominated. Detectors are
    therefore taken by falling accuracy, and only those already on the front dominate others: every
    detector off the front is dominated by one on it. A detector without a number is off the front.
    """
    known = [index for index, value in enumerate(accuracies) if value is not None]

    def order(index: int) -> tuple[float, int]:
        # Of equally accurate detectors the cheapest first.
        equals = [other for other in known if accuracies[other] == accuracies[index]]
        return -(accuracies[index] or 0.0), sum(is_cheaper(other, index) for other in equals)

    front: list[int] = []
    for index in sorted(known, key=order):
        dominated = any(
            not is_cheaper(index, rival)
            and (accuracies[rival] != accuracies[index] or is_cheaper(rival, index))
            for rival in front
        )
        if not dominated:
            front.append(index)
    return [index in front for index in range(len(accuracies))]


def pareto_front_by_cost(
    costs: Sequence[float | None], accuracies: Sequence[float | None]
) -> list[bool]:
    """Mark the detectors on the Pareto front by costs that are known exactly."""

    def is_cheaper(one: int, other: int) -> bool:
        own, others = costs[one], costs[other]
        return own is not None and others is not None and own < others

    pairs = zip(costs, accuracies, strict=True)
    return pareto_front([None if cost is None else value for cost, value in pairs], is_cheaper)
