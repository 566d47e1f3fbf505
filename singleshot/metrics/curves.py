"""Precision and recall as the score threshold falls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int64

from singleshot.metrics.detection_tables import Predictions, Truths
from singleshot.metrics.voc_matching import Outcomes

__all__ = ["Curve", "count_truths", "curves_per_class", "precision_recall_curve"]


@dataclass(frozen=True, slots=True)
class Curve:
    """Precision-recall curve of one class: a point after each detection, best first."""

    scores: Float64[np.ndarray, " n"]  # falling
    recall: Float64[np.ndarray, " n"]  # rising: true positives / truths
    precision: Float64[np.ndarray, " n"]  # true positives / (true positives + false positives)

    def __len__(self) -> int:
        return len(self.scores)

    def at_thresholds(self) -> Curve:
        """Keep the points a score threshold can reach: it takes all detections of equal score."""
        last_of_its_score = np.append(self.scores[1:] != self.scores[:-1], True)[: len(self)]
        return Curve(*(a[last_of_its_score] for a in (self.scores, self.recall, self.precision)))

    def counts_at_thresholds(
        self,
    ) -> tuple[Int64[np.ndarray, " thresholds"], Int64[np.ndarray, " thresholds"]]:
        """Count the detections that each of `at_thresholds` keeps, and the false positives."""
        points = self.at_thresholds()
        num_kept = np.searchsorted(-self.scores, -points.scores, side="right")
        # Whole numbers again: precision is a quotient, rounded.
        return num_kept, np.rint(num_kept * (1 - points.precision)).astype(np.int64)


def precision_recall_curve(
    scores: Float64[np.ndarray, " n"], true_positive: Bool[np.ndarray, " n"], *, num_truths: int
) -> Curve:
    """Count true and false positives by falling score, ties in the order given.

    With h true positives among the first k detections: recall = h / num_truths, precision = h / k.
    """
    assert num_truths > 0, "recall is undefined without truths"
    best_first = np.argsort(-scores, kind="stable")
    num_true_positives = true_positive[best_first].cumsum()
    num_detections = np.arange(1, len(scores) + 1)
    return Curve(
        scores[best_first], num_true_positives / num_truths, num_true_positives / num_detections
    )


def count_truths(truths: Truths, num_classes: int, *, ignore: Bool[np.ndarray, " m"]) -> list[int]:
    """Count the truths of each class that are not ignored."""
    counted: list[int] = np.bincount(truths.labels[~ignore], minlength=num_classes).tolist()
    return counted


def curves_per_class(
    predictions: Predictions, outcomes: Outcomes, num_truths: Sequence[int]
) -> list[Curve | None]:
    """Draw one curve a class, without ignored detections; None for a class without truths."""
    counted = np.flatnonzero(~outcomes.ignored)
    # Numbers of one or two bytes are sorted by counting, ten times as fast.
    labels = predictions.labels[counted].astype(np.min_scalar_type(len(num_truths)))
    by_class = counted[np.argsort(labels, kind="stable")]
    ends = np.bincount(labels, minlength=len(num_truths)).cumsum()
    true_positive = outcomes.true_positive
    return [
        precision_recall_curve(predictions.scores[own], true_positive[own], num_truths=count)
        if count
        else None
        for own, count in zip(np.split(by_class, ends), num_truths, strict=False)
    ]
