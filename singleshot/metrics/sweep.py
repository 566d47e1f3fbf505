"""True and false positives at every score threshold, for several IoU thresholds.

Whether a detection is a true positive depends on the surer ones alone, so one evaluation of all
serves every score threshold: at a threshold, those with this score or more are kept and counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float64, Int64

from singleshot.metrics.coco_matching import IOU_THRESHOLDS as COCO_IOU_THRESHOLDS
from singleshot.metrics.curves import Curve, count_truths, curves_per_class, precision_recall_curve
from singleshot.metrics.detection_tables import Predictions, Truths
from singleshot.metrics.operating_points import NO_BEST_F1, best_f1
from singleshot.metrics.protocol import Protocol
from singleshot.metrics.voc_matching import Outcomes, find_overlaps, true_positives_at

__all__ = ["IOU_THRESHOLDS", "SCORE_THRESHOLDS", "Counts", "ThresholdSweep", "sweep"]

# COCO's, as decimals: its own 0.9 is 0.8999999999999999.
IOU_THRESHOLDS = tuple(round(one, 2) for one in COCO_IOU_THRESHOLDS.tolist())
SCORE_THRESHOLDS: Float64[np.ndarray, " steps"] = np.arange(101) / 100
MOST_POINTS = 100  # of a line: more than can be seen


class Counts(NamedTuple):
    """Counts at a threshold, and the ratios of them; None where undefined."""

    true_positives: int
    false_positives: int
    truths: int

    @property
    def precision(self) -> float | None:
        """True positives / (true positives + false positives)."""
        kept = self.true_positives + self.false_positives
        return self.true_positives / kept if kept else None

    @property
    def recall(self) -> float | None:
        """True positives / truths."""
        return self.true_positives / self.truths if self.truths else None

    @property
    def f1(self) -> float | None:
        """2 x precision x recall / (precision + recall), 0 without any true positive."""
        precision, recall = self.precision, self.recall
        if recall is None:
            return None
        if not precision:
            return 0.0
        return 2 * precision * recall / (precision + recall)


@dataclass(frozen=True, slots=True)
class ThresholdSweep:
    """All score thresholds at one IoU threshold."""

    iou_threshold: float
    truths: Int64[np.ndarray, " num_classes"]
    true_positives: Int64[np.ndarray, "num_classes steps"]  # with at least each of SCORE_THRESHOLDS
    false_positives: Int64[np.ndarray, "num_classes steps"]
    best_thresholds: Float64[np.ndarray, " num_classes"]  # of the best F1, or the default
    best_true_positives: Int64[np.ndarray, " num_classes"]
    best_false_positives: Int64[np.ndarray, " num_classes"]
    curves: Sequence[Curve | None]  # thinned to what can be seen; None for a class without truths
    pooled: Curve | None  # of the detections of all classes, ranked together

    def at_step(self, step: int, label: int | None = None) -> Counts:
        """At SCORE_THRESHOLDS[step], of one class or summed over all (a micro-average)."""
        which = slice(None) if label is None else slice(label, label + 1)
        return Counts(
            int(self.true_positives[which, step].sum()),
            int(self.false_positives[which, step].sum()),
            int(self.truths[which].sum()),
        )

    def at_best(self, label: int | None = None) -> Counts:
        """At the best F1 of each class, of one class or summed over all.

        A class without a true positive or without truths counts from `DEFAULT_SCORE_THRESHOLD`.
        """
        which = slice(None) if label is None else slice(label, label + 1)
        return Counts(
            int(self.best_true_positives[which].sum()),
            int(self.best_false_positives[which].sum()),
            int(self.truths[which].sum()),
        )


def sweep(
    predictions: Predictions,
    truths: Truths,
    num_classes: int,
    *,
    protocol: Protocol,
    iou_thresholds: Sequence[float] = IOU_THRESHOLDS,
) -> list[ThresholdSweep]:
    """Count true and false positives by VOC's rule, without truths that the protocol ignores."""
    overlaps = find_overlaps(predictions, truths)
    ignore = protocol.ignores(truths)
    num_truths = np.array(count_truths(truths, num_classes, ignore=ignore), np.int64)
    return [
        sweep_scores(
            predictions,
            true_positives_at(
                overlaps, predictions.scores, ignore=ignore, iou_threshold=iou_threshold
            ),
            num_truths,
            iou_threshold,
        )
        for iou_threshold in iou_thresholds
    ]


def sweep_scores(
    predictions: Predictions,
    outcomes: Outcomes,
    num_truths: Int64[np.ndarray, " num_classes"],
    iou_threshold: float,
) -> ThresholdSweep:
    """Count by falling score threshold, and find the best one of each class."""
    curves = curves_per_class(predictions, outcomes, num_truths.tolist())
    thresholds = np.array([best_f1_threshold(curve) for curve in curves])
    sure = predictions.scores >= thresholds[predictions.labels]
    false_positive = ~outcomes.true_positive & ~outcomes.ignored
    labels, num_classes = predictions.labels, len(num_truths)
    return ThresholdSweep(
        iou_threshold=iou_threshold,
        truths=num_truths,
        true_positives=count_from_each_step(predictions, outcomes.true_positive, num_classes),
        false_positives=count_from_each_step(predictions, false_positive, num_classes),
        best_thresholds=thresholds,
        best_true_positives=np.bincount(
            labels[outcomes.true_positive & sure], minlength=num_classes
        ),
        best_false_positives=np.bincount(labels[false_positive & sure], minlength=num_classes),
        curves=[None if curve is None else thin(curve.at_thresholds()) for curve in curves],
        pooled=pool_classes(predictions, outcomes, int(num_truths.sum())),
    )


def best_f1_threshold(curve: Curve | None) -> float:
    """Find the score threshold of the best F1, or the default without a true positive."""
    best = NO_BEST_F1 if curve is None else best_f1(curve.at_thresholds())
    return best.threshold_or_default


def count_from_each_step(
    predictions: Predictions, marked: Bool[np.ndarray, " n"], num_classes: int
) -> Int64[np.ndarray, "num_classes steps"]:
    """Count the marked detections of each class with at least the score of each step."""
    num_steps = len(SCORE_THRESHOLDS)
    steps = np.searchsorted(SCORE_THRESHOLDS, predictions.scores[marked], side="right") - 1
    cells = predictions.labels[marked] * num_steps + steps
    counts = np.bincount(cells, minlength=num_classes * num_steps).reshape(num_classes, num_steps)
    return counts[:, ::-1].cumsum(axis=1)[:, ::-1]


def pool_classes(predictions: Predictions, outcomes: Outcomes, num_truths: int) -> Curve | None:
    """Draw one curve over the detections of all classes; None without truths."""
    if not num_truths:
        return None
    counted = ~outcomes.ignored
    curve = precision_recall_curve(
        predictions.scores[counted], outcomes.true_positive[counted], num_truths=num_truths
    )
    return thin(curve.at_thresholds())


def thin(curve: Curve, *, most_points: int = MOST_POINTS) -> Curve:
    """Thin a curve to points evenly spaced along the line, with both its ends."""
    if len(curve) <= most_points:
        return curve
    steps = np.abs(np.diff(curve.recall)) + np.abs(np.diff(curve.precision))
    length = np.append(0, steps.cumsum())
    distances = np.linspace(0, length[-1], most_points)
    kept = np.unique(np.searchsorted(length, distances).clip(max=len(curve) - 1))
    return Curve(curve.scores[kept], curve.recall[kept], curve.precision[kept])
