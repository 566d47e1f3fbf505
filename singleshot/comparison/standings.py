"""Which of several detectors is better, and how sure that is.

All are judged on the same draws of the images (see `bootstrap`), so that each has an interval of
its own, and every pair one of its difference. The p-value of a pair is the level at which its
percentile interval begins to leave out 0; a draw that finds both equal speaks against a difference,
and the observed one counts as a draw (Davison and Hinkley, Bootstrap Methods and their Application,
1997, §4.2.3 and §5.3):

    p = min(1, 2 (1 + min(#{d <= 0}, #{d >= 0})) / (1 + draws))

Of many pairs some look different by luck. So p-values are adjusted by Holm's method (1979): that of
the k-th smallest of m is the running maximum of (m - k + 1) p. Who calls pairs different with
an adjusted p-value of at most 5 % calls any pair wrongly different in at most 5 % of comparisons,
however the pairs depend on each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64

from singleshot.metrics.average_precision import means_of_defined
from singleshot.metrics.bootstrap import ROUNDING, each_weights, interval
from singleshot.metrics.columns import Predictions, Truths
from singleshot.metrics.protocol import Protocol
from singleshot.metrics.weighted import find_fates, weighted_average_precisions

__all__ = ["LEVEL", "Estimate", "Pair", "Standings", "compare_all", "enough_resamples", "holm"]

LEVEL = 0.05  # of an adjusted p-value, up to which a pair is called different
FEWEST_RESAMPLES = 1000
RESAMPLES_PER_PAIR = 100  # the smallest adjusted p-value is then two fifths of `LEVEL`


class Estimate(NamedTuple):
    """A mean average precision on all images, and its interval; None where undefined."""

    value: float | None
    low: float | None
    high: float | None


class Pair(NamedTuple):
    """How much better the first of two detectors is; None where undefined."""

    first: int  # which of the detectors
    second: int
    difference: float | None  # of the mean average precisions, on all images
    low: float | None
    high: float | None
    p_value: float | None
    p_value_adjusted: float | None  # for all the pairs there are

    @property
    def differs(self) -> bool:
        """Whether the images suffice to tell the two apart."""
        return self.p_value_adjusted is not None and self.p_value_adjusted <= LEVEL


@dataclass(frozen=True)
class Standings:
    """How good each detector is, and each against each."""

    resamples: int
    seed: int
    confidence: float
    estimates: tuple[Estimate, ...]
    pairs: tuple[Pair, ...]  # each once, the detector that was given first is the first


def enough_resamples(num_detectors: int) -> int:
    """So many draws that the best of all pairs can be told apart by its adjusted p-value."""
    return max(FEWEST_RESAMPLES, RESAMPLES_PER_PAIR * num_detectors * (num_detectors - 1) // 2)


def compare_all(
    found: Sequence[Predictions],
    truths: Truths,
    num_classes: int,
    *,
    protocol: Protocol,
    iou_threshold: float = 0.5,
    resamples: int | None = None,
    seed: int = 0,
    confidence: float = 0.95,
) -> Standings:
    """Compare the mean average precisions of detectors on the same images, each with each.

    Args:
        found: the detections of each; their labels mean the same classes.
        truths: what they are judged by.
        num_classes: how many classes there are.
        protocol: with COCO, average precision is over its ten IoU thresholds.
        iou_threshold: of a hit, by the other protocols.
        resamples: how often images are drawn; left out, as often as the number of pairs asks for.
        seed: of the draws.
        confidence: the part of the draws that an interval holds.
    """
    resamples = enough_resamples(len(found)) if resamples is None else resamples
    fates = [
        find_fates(one, truths, num_classes, protocol=protocol, iou_threshold=iou_threshold)
        for one in found
    ]
    parts: list[list[Float64[np.ndarray, " _draws"]]] = [[] for _ in found]
    for weights in each_weights(truths, resamples, np.random.default_rng(seed)):
        for own, one in zip(parts, fates, strict=True):
            of_classes = weighted_average_precisions(one, weights, protocol=protocol)
            own.append(means_of_defined(of_classes))
    means = [np.concatenate(own) for own in parts]
    num_images = len(np.unique(truths.images[~protocol.ignores(truths)]))
    return Standings(
        resamples=resamples,
        seed=seed,
        confidence=confidence,
        estimates=tuple(estimate(own, confidence, images=num_images) for own in means),
        pairs=pairs_of(means, confidence, images=num_images),
    )


def estimate(means: Float64[np.ndarray, " draws"], confidence: float, *, images: int) -> Estimate:
    """The mean on all images, which is the first, and the spread of the others."""
    found = interval(means, confidence, images=images)
    return Estimate(found.difference, found.low, found.high)


def pairs_of(
    means: Sequence[Float64[np.ndarray, " draws"]], confidence: float, *, images: int
) -> tuple[Pair, ...]:
    """Every pair, with p-values adjusted for their number."""
    pairs = []
    for (first, own), (second, other) in combinations(enumerate(means), 2):
        one = interval(own - other, confidence, images=images)
        p_value = None if one.low is None else two_sided(own[1:] - other[1:])
        pairs.append(Pair(first, second, one.difference, one.low, one.high, p_value, None))
    known = [pair.p_value for pair in pairs if pair.p_value is not None]
    adjusted = iter(holm(known))
    return tuple(
        pair if pair.p_value is None else pair._replace(p_value_adjusted=next(adjusted))
        for pair in pairs
    )


def two_sided(differences: Float64[np.ndarray, " draws"]) -> float:
    """The p-value of no difference, from the differences in redrawn sets of images."""
    drawn = differences[~np.isnan(differences)]
    rarer = min((drawn <= ROUNDING).sum(), (drawn >= -ROUNDING).sum())
    return float(min(1.0, 2 * (1 + rarer) / (1 + len(drawn))))


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values adjusted for their number by Holm's step-down method, in the order given."""
    order = np.argsort(p_values, kind="stable")
    adjusted, largest = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = largest
    return adjusted
