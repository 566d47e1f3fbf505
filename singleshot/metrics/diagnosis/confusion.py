"""What is taken for what."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float64, Int64

from singleshot.metrics.columns import Predictions, Truths
from singleshot.metrics.diagnosis.error_types import not_hit
from singleshot.metrics.diagnosis.neighbours import most_overlapped_of_other_classes
from singleshot.metrics.hits import Hits, find_hits

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
    """Count what was annotated (rows) and what was found there (columns).

    Only detections with at least the score threshold of their class are there. A hit is a pair of
    its class: the diagonal is what precision and recall are made of. What is left is paired across
    classes: each false positive looks at the truth of another class that it overlaps most among
    those nobody hit; when their IoU reaches the threshold and no surer one looks at the same, they
    are a pair. Truths without a partner are in the last column, "nothing found", detections without
    one in the last row, "nothing annotated".

    Truths marked `ignore` and detections that are forgiven are in no cell: a row sums to the
    truths of its class that count, a column to the detections of its class that count.

    (Evaluators that pair without regard to class, hotcoco among them, can spend a truth on a wrong
    class though the right one was found there as well.)
    """
    kept = predictions[predictions.scores >= score_thresholds[predictions.labels]]
    hits = find_hits(kept, truths, ignore=ignore, iou_threshold=iou_threshold)
    return count_confusions(
        kept, truths, hits, num_classes, ignore=ignore, iou_threshold=iou_threshold
    )


def count_confusions(
    kept: Predictions,
    truths: Truths,
    hits: Hits,
    num_classes: int,
    *,
    ignore: Bool[np.ndarray, " m"],
    iou_threshold: float,
) -> Int64[np.ndarray, "rows columns"]:
    """`confusion_matrix` once it is known which of the detections kept are hits."""
    partners = hits.truths.copy()
    false_positives = np.flatnonzero(~hits.hit & ~hits.ignored)
    confused, with_truths = pair_across_classes(
        kept, truths, false_positives, np.flatnonzero(not_hit(hits, ignore=ignore)), iou_threshold
    )
    partners[confused] = with_truths

    nothing = num_classes
    counted = ~hits.ignored
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
    """False positives and the free truths of other classes they are on, the surest on each."""
    best_first = false_positives[np.argsort(-kept.scores[false_positives], kind="stable")]
    looked_at, iou = most_overlapped_of_other_classes(kept[best_first], truths, free)
    near = iou >= iou_threshold
    paired, first = np.unique(looked_at[near], return_index=True)
    return best_first[near][first], paired
