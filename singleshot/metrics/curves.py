"""Precision and recall as the score threshold falls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int64

from singleshot.metrics.columns import Predictions, Truths
from singleshot.metrics.hits import Hits

__all__ = ["Curve", "count_truths", "curves_per_class", "precision_recall_curve"]


@dataclass(frozen=True, slots=True)
class Curve:
    """After each detection of one class, best first: its score, and what was reached so far."""

    scores: Float64[np.ndarray, " n"]  # falling
    recall: Float64[np.ndarray, " n"]  # rising: hits / truths
    precision: Float64[np.ndarray, " n"]  # hits / (hits + false positives)

    def __len__(self) -> int:
        return len(self.scores)

    def at_thresholds(self) -> Curve:
        """Only the points a score threshold can reach: it takes all detections of equal score."""
        last_of_its_score = np.append(self.scores[1:] != self.scores[:-1], True)[: len(self)]
        return Curve(*(a[last_of_its_score] for a in (self.scores, self.recall, self.precision)))

    def counts_at_thresholds(
        self,
    ) -> tuple[Int64[np.ndarray, " thresholds"], Int64[np.ndarray, " thresholds"]]:
        """How many detections each of `at_thresholds` keeps, and how many are false positives."""
        points = self.at_thresholds()
        num_kept = np.searchsorted(-self.scores, -points.scores, side="right")
        # Whole numbers again: precision is a quotient, rounded.
        return num_kept, np.rint(num_kept * (1 - points.precision)).astype(np.int64)


def precision_recall_curve(
    scores: Float64[np.ndarray, " n"], hit: Bool[np.ndarray, " n"], *, num_truths: int
) -> Curve:
    """Take detections by falling score (ties in the order given) and count hits and false
    positives.

    With h hits among the first k detections: recall = h / num_truths, precision = h / k.
    """
    assert num_truths > 0, "recall is undefined without truths"
    best_first = np.argsort(-scores, kind="stable")
    num_hits = hit[best_first].cumsum()
    num_detections = np.arange(1, len(scores) + 1)
    return Curve(scores[best_first], num_hits / num_truths, num_hits / num_detections)


def count_truths(truths: Truths, num_classes: int, *, ignore: Bool[np.ndarray, " m"]) -> list[int]:
    """Truths of each class that count."""
    counted: list[int] = np.bincount(truths.labels[~ignore], minlength=num_classes).tolist()
    return counted


def curves_per_class(
    predictions: Predictions, hits: Hits, num_truths: Sequence[int]
) -> list[Curve | None]:
    """Draw one curve a class, without ignored detections; None for a class without truths."""
    counted = np.flatnonzero(~hits.ignored)
    # Numbers of one or two bytes are sorted by counting, ten times as fast.
    labels = predictions.labels[counted].astype(np.min_scalar_type(len(num_truths)))
    by_class = counted[np.argsort(labels, kind="stable")]
    ends = np.bincount(labels, minlength=len(num_truths)).cumsum()
    hit = hits.hit
    return [
        precision_recall_curve(predictions.scores[own], hit[own], num_truths=count)
        if count
        else None
        for own, count in zip(np.split(by_class, ends), num_truths, strict=False)
    ]
