"""Confusion matrix: annotated class against detected class."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float64, Int64

from singleshot.metrics.detection_tables import Predictions, Truths
from singleshot.metrics.diagnosis.error_types import find_undetected
from singleshot.metrics.diagnosis.neighbours import most_overlapped_of_other_classes
from singleshot.metrics.voc_matching import Outcomes, find_true_positives

__all__ = ["confusion_matrix", "count_confusions"]


def confusion_matrix(
    predictions: Predictions,
    truths: Truths,
    num_classes: int,
    *,
    score_thresholds: Float64[np.ndarray, " num_classes"],
    ignore: Bool[np.ndarray, " m"],
    iou_threshold: float,
) -> Int64[np.ndarray, "rows columns"]:
    """Count pairs of annotated class (row) and detected class (column).

    Only detections with at least the score threshold of their class count. A true positive is a
    pair of its class: precision and recall are computed from the diagonal. The others are paired
    across classes: each false positive with the truth of another class that it overlaps most among
    the undetected ones, when their IoU reaches the threshold and no surer one overlaps the same
    truth most. Truths without a partner are in the last column, "nothing found", detections without
    one in the last row, "nothing annotated".

    Truths marked `ignore` and ignored detections are in no cell: a row sums to the
    truths of its class that count, a column to the detections of its class that count.

    (Evaluators that pair without regard to class, hotcoco among them, can spend a truth on a wrong
    class though the right one was found there as well.)
    """
    kept = predictions[predictions.scores >= score_thresholds[predictions.labels]]
    outcomes = find_true_positives(kept, truths, ignore=ignore, iou_threshold=iou_threshold)
    return count_confusions(
        kept, truths, outcomes, num_classes, ignore=ignore, iou_threshold=iou_threshold
    )


def count_confusions(
    kept: Predictions,
    truths: Truths,
    outcomes: Outcomes,
    num_classes: int,
    *,
    ignore: Bool[np.ndarray, " m"],
    iou_threshold: float,
) -> Int64[np.ndarray, "rows columns"]:
    """Compute `confusion_matrix` from the true positives of the detections kept."""
    partners = outcomes.truths.copy()
    false_positives = np.flatnonzero(~outcomes.true_positive & ~outcomes.ignored)
    confused, with_truths = pair_across_classes(
        kept,
        truths,
        false_positives,
        np.flatnonzero(find_undetected(outcomes, ignore=ignore)),
        iou_threshold,
    )
    partners[confused] = with_truths

    nothing = num_classes
    counted = ~outcomes.ignored
    annotated = np.where(partners >= 0, np.append(truths.labels, nothing)[partners], nothing)
    missed = ~ignore
    missed[partners[partners >= 0]] = False
    rows = np.concatenate([annotated[counted], truths.labels[missed]])
    columns = np.concatenate([kept.labels[counted], np.full(missed.sum(), nothing)])
    size = num_classes + 1
    return np.bincount(rows * size + columns, minlength=size * size).reshape(size, size)


def pair_across_classes(
    kept: Predictions,
    truths: Truths,
    false_positives: Int64[np.ndarray, " f"],
    free: Int64[np.ndarray, " k"],
    iou_threshold: float,
) -> tuple[Int64[np.ndarray, " p"], Int64[np.ndarray, " p"]]:
    """Pair false positives with overlapped free truths of other classes, the surest first."""
    best_first = false_positives[np.argsort(-kept.scores[false_positives], kind="stable")]
    looked_at, iou = most_overlapped_of_other_classes(kept[best_first], truths, free)
    near = iou >= iou_threshold
    paired, first = np.unique(looked_at[near], return_index=True)
    return best_first[near][first], paired
