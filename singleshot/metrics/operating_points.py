"""Precision, recall and F1 at the score threshold that a detector is run with.

Give these functions the points a threshold can reach (`Curve.at_thresholds`): a threshold cannot
take one of two detections with the same score.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float64

from singleshot.metrics.curves import Curve

__all__ = [
    "DEFAULT_SCORE_THRESHOLD",
    "NO_BEST_F1",
    "BestF1",
    "best_f1",
    "f1_scores",
    "first_best",
    "precision_at_recall",
    "recall_at_precision",
]

DEFAULT_SCORE_THRESHOLD = 0.3  # where nothing was chosen, or nothing is worth choosing

# 3 true positives of 5 detections and 4 of 8 have the same F1 with 4 truths, but not in floating
# point. Two that differ, with a million detections and truths, do so by 1e-12 at least.
_ROUNDING = 1e-14


class BestF1(NamedTuple):
    """The threshold at which precision and recall are best together; None where undefined."""

    f1: float | None
    score_threshold: float | None  # keep detections with this score or more
    precision: float | None
    recall: float | None

    @property
    def threshold_or_default(self) -> float:
        """Score threshold of the best F1, else the default.

        The best F1 of a class without a true positive, or without truths, would keep nothing, and
        so hide its false positives.
        """
        threshold = self.score_threshold
        return DEFAULT_SCORE_THRESHOLD if threshold is None else threshold


NO_BEST_F1 = BestF1(None, None, None, None)  # without truths


def precision_at_recall(
    recall: Float64[np.ndarray, " n"], precision: Float64[np.ndarray, " n"], target: float
) -> float:
    """Find the best precision still reachable at `target` recall or more; 0 when never reached."""
    return float(precision[recall >= target].max(initial=0.0))


def recall_at_precision(
    recall: Float64[np.ndarray, " n"], precision: Float64[np.ndarray, " n"], target: float
) -> float:
    """Find the best recall still reachable at `target` precision or more; 0 when never reached."""
    return float(recall[precision >= target].max(initial=0.0))


def best_f1(curve: Curve) -> BestF1:
    """Find the highest F1 = 2 x precision x recall / (precision + recall), and its threshold.

    Without any true positive no threshold is better than keeping nothing: F1 and recall are 0, and
    there is neither a threshold nor a precision.
    """
    f1 = f1_scores(curve)
    if not f1.any():
        return BestF1(f1=0.0, score_threshold=None, precision=None, recall=0.0)
    best = first_best(f1)
    return BestF1(
        f1=float(f1[best]),
        score_threshold=float(curve.scores[best]),
        precision=float(curve.precision[best]),
        recall=float(curve.recall[best]),
    )


def f1_scores(curve: Curve) -> Float64[np.ndarray, " n"]:
    """Compute F1 after each detection, 0 without any true positive."""
    total = curve.precision + curve.recall
    f1 = np.zeros(len(curve))
    np.divide(2 * curve.precision * curve.recall, total, out=f1, where=total > 0)
    return f1


def first_best(values: Float64[np.ndarray, " n"]) -> int:
    """Return the index of the first of the greatest, equal up to rounding."""
    return int((values >= values.max() - _ROUNDING).argmax())
