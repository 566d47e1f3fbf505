"""Confidence interval of the difference of two detectors: the paired bootstrap over images.

The images at hand are a sample of those that a detector will process. Drawing as many from them,
with replacement, shows how far a difference of average precisions varies by the choice of images
alone; both detectors are evaluated on the same draw, so that the difficulty of an image
cancels out. The interval holds the middle of the differences over all draws: 95 % (`confidence`) of
them where images are many, more where they are few (see `intervals`).

A draw that finds both equal counts half for each. Where truths lie in a handful of images there
is no interval: drawn again and again, two images are always the same two, and it would be as
narrow as it is wrong.

hotcoco's own `compare` counts an image that is drawn twice only once; its intervals are about a
quarter too narrow.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64

from singleshot.metrics.average_precision import means_of_defined
from singleshot.metrics.detection_tables import Predictions, Truths
from singleshot.metrics.intervals import Interval, interval_of_difference
from singleshot.metrics.protocol import Protocol
from singleshot.metrics.weighted_average_precision import (
    ClassOutcomes,
    outcomes_per_class,
    weighted_average_precisions,
)

__all__ = ["Comparison", "compare_by_bootstrap", "draw_mean_precisions"]

NUMBERS_AT_ONCE = 1 << 23  # images, or truths of a class, x draws: 64 MB an array


@dataclass(frozen=True)
class Comparison:
    """Difference of two detectors, with confidence intervals."""

    protocol: Protocol
    iou_threshold: float  # of a true positive; COCO has its own ten
    images: int
    resamples: int
    seed: int
    confidence: float
    mean_average_precision: Interval
    per_class: Mapping[str, Interval]

    def to_json(self) -> dict[str, Any]:
        """Convert to plain numbers under the names of the fields; null where undefined."""
        return {
            **asdict(self),
            "protocol": self.protocol.value,
            "mean_average_precision": self.mean_average_precision._asdict(),
            "per_class": {name: one._asdict() for name, one in self.per_class.items()},
        }


def compare_by_bootstrap(
    predictions: Predictions,
    others: Predictions,
    truths: Truths,
    class_names: Sequence[str],
    *,
    protocol: Protocol,
    iou_threshold: float = 0.5,
    resamples: int = 1000,
    seed: int = 0,
    confidence: float = 0.95,
) -> Comparison:
    """Compare the average precisions of two detectors on the same images.

    A class without truths in a draw is left out of that draw's mean. With COCO, average precision
    is over its ten IoU thresholds, else at `iou_threshold`.
    """
    assert resamples > 0
    assert 0 < confidence < 1
    first, second = (
        outcomes_per_class(
            found, truths, len(class_names), protocol=protocol, iou_threshold=iou_threshold
        )
        for found in (predictions, others)
    )
    differences = find_differences(
        first,
        second,
        each_weights(truths, resamples, np.random.default_rng(seed)),
        protocol=protocol,
    )
    places = [own.truth_images for own in first]
    per_class = [
        interval_of_difference(of_class, confidence, images=len(np.unique(own)))
        for of_class, own in zip(differences, places, strict=True)
    ]
    anywhere = len(np.unique(np.concatenate([np.zeros(0, np.int64), *places])))
    return Comparison(
        protocol=protocol,
        iou_threshold=iou_threshold,
        images=truths.num_images,
        resamples=resamples,
        seed=seed,
        confidence=confidence,
        mean_average_precision=interval_of_difference(
            means_of_defined(differences), confidence, images=anywhere
        ),
        per_class=dict(zip(class_names, per_class, strict=True)),
    )


def find_differences(
    first: Sequence[ClassOutcomes],
    second: Sequence[ClassOutcomes],
    each_weights: Iterator[Float64[np.ndarray, "num_images _draws"]],
    *,
    protocol: Protocol,
) -> Float64[np.ndarray, "num_classes draws"]:
    """Compute the difference of each class in each draw; NaN without truths of the class."""
    parts = [
        weighted_average_precisions(first, weights, protocol=protocol)
        - weighted_average_precisions(second, weights, protocol=protocol)
        for weights in each_weights
    ]
    return np.concatenate(parts, axis=1)


def draw_mean_precisions(
    measured: Sequence[Sequence[ClassOutcomes]],
    truths: Truths,
    *,
    protocol: Protocol,
    resamples: int,
    seed: int,
) -> list[Float64[np.ndarray, " draws"]]:
    """Compute the mean average precision of each on all images, then in each draw, one for all."""
    parts: list[list[Float64[np.ndarray, " _draws"]]] = [[] for _ in measured]
    for weights in each_weights(truths, resamples, np.random.default_rng(seed)):
        for own, outcomes in zip(parts, measured, strict=True):
            of_classes = weighted_average_precisions(outcomes, weights, protocol=protocol)
            own.append(means_of_defined(of_classes))
    return [np.concatenate(own) for own in parts]


def each_weights(
    truths: Truths, resamples: int, random: np.random.Generator
) -> Iterator[Float64[np.ndarray, "num_images _draws"]]:
    """Yield weights: each image once; then how often each is drawn, some draws at a time."""
    num_images = truths.num_images
    yield np.ones((num_images, 1))
    most_truths = np.bincount(truths.labels).max(initial=1)
    at_once = int(max(1, NUMBERS_AT_ONCE // max(num_images, most_truths)))
    for start in range(0, resamples, at_once):
        draws = [
            np.bincount(random.integers(num_images, size=num_images), minlength=num_images)
            for _ in range(start, min(start + at_once, resamples))
        ]
        yield np.stack(draws, axis=1).astype(np.float64)
