"""Bound that errors of annotations put on AP50, from three descriptions of the same images.

The descriptions are the annotations and the confident detections of two detectors, A and B. An
ideal detector finds every true object. Two things keep its AP50 below 1:

- Annotations that are no objects are missed. Of the annotations A has some, B has some and both
  have some; if they detect independently, A · B / both exist (Lincoln and Petersen's estimate of
  the animals in a lake from those caught twice). That is the largest recall.
- Objects that are not annotated are false positives. Objects that both detectors have are taken to
  exist, and some of them are annotated. The ideal detector can learn which objects are often left
  out, and score them lower: it is taken to rank as A and B do, by their mean score.

So the bound is the share of the annotations that exist, times the average precision of what A and B
have in common, of which the annotated are the true positives.

Two mistakes are common. Both detectors miss what is hard to see, more so at a high score threshold:
such annotations are taken for false ones. Both have what is no object, more so at a low one. As
either makes the bound too low, that of a class is the largest over some thresholds.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from singleshot.boxes.geometry import pairwise_iou
from singleshot.metrics.average_precision import every_point, mean_of_defined
from singleshot.structures import Detections, Truth

__all__ = [
    "Estimate",
    "Evidence",
    "Objects",
    "combine",
    "estimate",
    "interval",
    "largest",
    "matched",
]

IOU_THRESHOLD = 0.5
DRAWS = 500
LEVEL = (5.0, 95.0)  # percentiles

Objects = Detections | Truth


@dataclass(frozen=True)
class Evidence:
    """What the three descriptions have in common, and what they do not."""

    # Integers (images, classes): of the annotations, those that the detectors have.
    annotations: np.ndarray
    with_first: np.ndarray
    with_second: np.ndarray
    with_both: np.ndarray
    # Of each object that both detectors have, by falling mean of the two scores.
    images: np.ndarray
    labels: np.ndarray
    annotated: np.ndarray

    @classmethod
    def of(
        cls,
        truths: Sequence[Truth],
        first: Sequence[Detections],
        second: Sequence[Detections],
        num_classes: int,
    ) -> "Evidence":
        """Compare the annotations and the confident detections of each image."""
        counts, shared = [], []
        for image, (truth, own, other) in enumerate(zip(truths, first, second, strict=True)):
            by_first = {index for index, _ in matched(truth, own)}
            by_second = {index for index, _ in matched(truth, other)}
            annotated = {index for index, _ in matched(own, truth)}
            chosen = ({*range(len(truth))}, by_first, by_second, by_first & by_second)
            counts.append([by_class(truth.labels[sorted(one)], num_classes) for one in chosen])
            shared += [
                (
                    float(own.scores[index] + other.scores[index_of_other]) / 2,
                    image,
                    int(own.labels[index]),
                    index in annotated,
                )
                for index, index_of_other in matched(own, other)
            ]
        shared.sort(key=lambda one: -one[0])
        columns = [np.array([one[column] for one in shared], dtype=int) for column in (1, 2, 3)]
        return cls(*np.array(counts).reshape(-1, 4, num_classes).swapaxes(0, 1), *columns)

    def doubts(self) -> np.ndarray:
        """Count in each image where both detectors agree against the annotations: (images, 2).

        First the objects that are not annotated, then the annotations that neither has.
        """
        number = len(self.annotations)
        unannotated = np.bincount(self.images[self.annotated == 0], minlength=number)
        found = self.with_first + self.with_second - self.with_both
        return np.stack([unannotated, (self.annotations - found).sum(axis=1)], axis=1)


@dataclass(frozen=True)
class Estimate:
    """Three estimates of each class, None where undefined; the means are over the classes."""

    annotated: tuple[float | None, ...]  # of the objects
    true: tuple[float | None, ...]  # of the annotations
    bound: tuple[float | None, ...]  # on AP50


def estimate(evidence: Evidence, weights: np.ndarray | None = None) -> Estimate:
    """Estimate the bound from all images, each with a weight (a whole number, else 1)."""
    if weights is None:
        weights = np.ones(len(evidence.annotations), dtype=int)
    rows: list[tuple[float, float, float] | tuple[None, None, None]] = []
    for label in range(evidence.annotations.shape[1]):
        number, first, second, both = (
            int(weights @ own[:, label])
            for own in (
                evidence.annotations,
                evidence.with_first,
                evidence.with_second,
                evidence.with_both,
            )
        )
        of_class = evidence.labels == label
        annotated = evidence.annotated[of_class]
        weight = weights[evidence.images[of_class]]
        right = (weight * annotated).cumsum()
        if not both or not right[-1:].any():
            rows.append((None, None, None))
            continue
        true = min(first * second / (both * number), 1.0)
        precision = right / weight.cumsum().clip(min=1)
        rows.append((float(precision[-1]), true, true * every_point(right / right[-1], precision)))
    return Estimate(*zip(*rows, strict=True))


def largest(estimates: Sequence[Estimate]) -> tuple[int, ...]:
    """Choose for each class the estimate with the largest bound; the first where none has one."""
    bounds = np.array([[-1 if one is None else one for one in own.bound] for own in estimates])
    return tuple(bounds.argmax(axis=0).tolist())


def combine(estimates: Sequence[Estimate], chosen: Sequence[int]) -> Estimate:
    """Take of each class the estimate with this index."""
    columns = (
        tuple(getattr(estimates[index], name)[label] for label, index in enumerate(chosen))
        for name in ("annotated", "true", "bound")
    )
    return Estimate(*columns)


def matched(objects: Objects, others: Objects) -> list[tuple[int, int]]:
    """Pair objects of one class one to one, those with the largest IoU first, from 0.5 on."""
    ious = pairwise_iou(objects.boxes.double(), others.boxes.double())
    ious[objects.labels[:, None] != others.labels] = 0
    pairs = (ious >= IOU_THRESHOLD).nonzero()
    order = ious[pairs[:, 0], pairs[:, 1]].argsort(descending=True, stable=True)
    taken: tuple[set[int], set[int]] = (set(), set())
    found = []
    for one, other in pairs[order].tolist():
        if one not in taken[0] and other not in taken[1]:
            found.append((one, other))
            taken[0].add(one)
            taken[1].add(other)
    return found


def by_class(labels: torch.Tensor, num_classes: int) -> list[int]:
    counts: list[int] = torch.bincount(labels, minlength=num_classes).tolist()
    return counts


def interval(
    evidences: Sequence[Evidence], chosen: Sequence[int], *, seed: int = 0
) -> tuple[float, float] | None:
    """Bootstrap the images: 90 % of the means of the bound; None where none is defined.

    Args:
        evidences: at some thresholds.
        chosen: the one of each class.
        seed: of the draws.
    """
    random = np.random.default_rng(seed)
    number = len(evidences[0].annotations)
    means = []
    for _ in range(DRAWS):
        weights = np.bincount(random.integers(number, size=number), minlength=number)
        estimates = [estimate(one, weights) for one in evidences]
        means.append(mean_of_defined(combine(estimates, chosen).bound))
    known = [one for one in means if one is not None]
    if not known:
        return None
    low, high = np.percentile(known, LEVEL)
    return float(low), float(high)
