"""Bound that errors of annotations put on AP50, from three descriptions of the same images.

The descriptions are the annotations Y and the confident detections of two detectors, A and B. Of N
true objects A, B and Y have the shares r_A, r_B and r_Y, each independently of the others. Of the
annotations the share q_Y is true; the rest are objects that no other description has. A perfect
detector cannot know which objects the annotators left out: measured against Y it has precision r_Y
up to recall q_Y, so its average precision at IoU 0.5 is r_Y q_Y. Two descriptions have N r_A r_Y,
N r_B r_Y and N r_A r_B objects in common, and there are N r_Y / q_Y annotations, hence

    r_Y q_Y = common(A, Y) common(B, Y) / (annotations common(A, B)).

It is the estimate of Lincoln and Petersen of the number of animals caught twice, applied to labels.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from singleshot.boxes.geometry import pairwise_iou
from singleshot.structures import Detections, Truth

__all__ = ["Bound", "Counts", "Objects", "count", "interval", "matched"]

IOU_THRESHOLD = 0.5
DRAWS = 1000
LEVEL = (5.0, 95.0)  # percentiles

Objects = Detections | Truth


@dataclass(frozen=True)
class Counts:
    """Objects in each image and of each class; arrays of integers (images, classes)."""

    annotations: np.ndarray
    with_first: np.ndarray  # annotations that the first detector has, too
    with_second: np.ndarray
    of_both: np.ndarray  # detections that the two have in common
    unannotated: np.ndarray  # those of both that are in no annotation of their class
    undetected: np.ndarray  # annotations that neither detector has

    def total(self, images: np.ndarray | slice = slice(None)) -> "Counts":
        """Add up some images, which may be repeated: arrays (1, classes)."""
        return Counts(*(own[images].sum(axis=0, keepdims=True) for own in vars(self).values()))


@dataclass(frozen=True)
class Bound:
    """Estimated AP50 of a perfect detector: of each class, None where undefined, and the mean."""

    per_class: tuple[float | None, ...]

    @classmethod
    def of(cls, total: Counts) -> "Bound":
        """Estimate it from the counts of all images; 1 at most."""
        columns = (total.annotations, total.with_first, total.with_second, total.of_both)
        estimates = []
        for annotations, first, second, both in zip(*(own[0] for own in columns), strict=True):
            known = annotations > 0 and both > 0
            estimates.append(
                min(float(first * second / (annotations * both)), 1.0) if known else None
            )
        return cls(tuple(estimates))

    @classmethod
    def if_all_wrong(cls, total: Counts) -> "Bound":
        """Compute it if the annotations are wrong wherever both detectors agree against them."""
        columns = (total.annotations, total.undetected, total.unannotated)
        estimates = []
        for annotations, undetected, unannotated in zip(*(own[0] for own in columns), strict=True):
            right = float(annotations - undetected)
            found = right + unannotated
            estimates.append(right / annotations * right / found if annotations and found else None)
        return cls(tuple(estimates))

    @property
    def mean(self) -> float | None:
        known = [one for one in self.per_class if one is not None]
        return sum(known) / len(known) if known else None


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


def count(
    truths: Sequence[Truth],
    first: Sequence[Detections],
    second: Sequence[Detections],
    num_classes: int,
) -> Counts:
    """Count what the annotations and the confident detections of each image have in common."""
    rows = []
    for truth, own, other in zip(truths, first, second, strict=True):
        with_first = [index for index, _ in matched(truth, own)]
        with_second = [index for index, _ in matched(truth, other)]
        both = [index for index, _ in matched(own, other)]
        annotated = {index for index, _ in matched(own, truth)}
        detected = {*with_first, *with_second}
        labels = (
            truth.labels,
            truth.labels[with_first],
            truth.labels[with_second],
            own.labels[both],
            own.labels[[index for index in both if index not in annotated]],
            truth.labels[[index for index in range(len(truth)) if index not in detected]],
        )
        rows.append([by_class(one, num_classes) for one in labels])
    return Counts(*np.array(rows, dtype=np.int64).reshape(-1, 6, num_classes).swapaxes(0, 1))


def by_class(labels: torch.Tensor, num_classes: int) -> list[int]:
    counts: list[int] = torch.bincount(labels, minlength=num_classes).tolist()
    return counts


def interval(counts: Counts, *, seed: int = 0) -> tuple[float, float] | None:
    """Bootstrap the images: bounds of 90 % of the means; None where none is defined."""
    random = np.random.default_rng(seed)
    number = len(counts.annotations)
    draws = (Bound.of(counts.total(random.integers(number, size=number))) for _ in range(DRAWS))
    means = [bound.mean for bound in draws if bound.mean is not None]
    if not means:
        return None
    low, high = np.percentile(means, LEVEL)
    return float(low), float(high)
