"""Truths that each detection overlaps most: of its own class, and of the other classes."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from jaxtyping import Bool, Float64, Int64

from singleshot.metrics.detection_tables import Predictions, Truths
from singleshot.metrics.voc_matching import most_overlapped, paired_iou

__all__ = ["Neighbours", "find_neighbours", "most_overlapped_of_other_classes"]


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The truths that count which each detection overlaps most; index -1 and IoU 0 for none."""

    own: Int64[np.ndarray, " n"]  # index of the truth of the detection's own class
    own_iou: Float64[np.ndarray, " n"]
    other: Int64[np.ndarray, " n"]  # index of the truth of any other class
    other_iou: Float64[np.ndarray, " n"]

    def __getitem__(self, keep: np.ndarray | slice) -> Neighbours:
        return Neighbours(*(getattr(self, field.name)[keep] for field in fields(self)))


def find_neighbours(
    predictions: Predictions, truths: Truths, *, ignore: Bool[np.ndarray, " m"]
) -> Neighbours:
    """Find both neighbours of each detection; truths marked `ignore` are no neighbours."""
    among = np.flatnonzero(~ignore)
    own, own_iou = most_overlapped(predictions, truths, among, paired_iou)
    other, other_iou = most_overlapped_of_other_classes(predictions, truths, among)
    return Neighbours(own, own_iou, other, other_iou)


def most_overlapped_of_other_classes(
    predictions: Predictions, truths: Truths, among: Int64[np.ndarray, " k"]
) -> tuple[Int64[np.ndarray, " n"], Float64[np.ndarray, " n"]]:
    """Find the truth (same image, another class, `among` these) each detection overlaps most.

    And that IoU; index -1 and 0 where there is none, and the first annotated of equal ones. One
    round for each truth of an image, as in `most_overlapped`.
    """
    by_image = among[np.argsort(truths.images[among], kind="stable")]
    starts = np.searchsorted(truths.images[by_image], predictions.images, side="left")
    ends = np.searchsorted(truths.images[by_image], predictions.images, side="right")
    counts = ends - starts
    nearest = np.full(len(predictions), -1, np.int64)
    greatest = np.zeros(len(predictions))
    reach = np.arange(len(predictions))
    for k in range(counts.max(initial=0)):
        reach = reach[counts[reach] > k]
        candidates = by_image[starts[reach] + k]
        differs = truths.labels[candidates] != predictions.labels[reach]
        active, candidates = reach[differs], candidates[differs]
        iou = paired_iou(predictions.boxes[active], truths.boxes[candidates])
        better = iou > greatest[active]
        nearest[active[better]] = candidates[better]
        greatest[active[better]] = iou[better]
    return nearest, greatest
