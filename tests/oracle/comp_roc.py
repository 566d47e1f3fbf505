"""compRoc of bbGt.m and the last line of acfTest.m (Dollár's toolbox), written out slowly.

MATLAB sorts detections and takes each for a point of the curve, so that of two with equal score
the first given is a point of its own. `by_threshold` is the same rule for points that a threshold
can reach: all detections with its score or more.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

REFERENCES = [10 ** (-2 + 0.25 * k) for k in range(9)]


def by_detection(
    scores: Sequence[float], is_true: Sequence[bool], num_truths: int, num_images: int
):
    """(false positives per image, detection rate) after each detection, best first."""
    order = sorted(range(len(scores)), key=lambda k: -scores[k])
    points, tp, fp = [], 0, 0
    for k in order:
        if is_true[k]:
            tp += 1
        else:
            fp += 1
        points.append((fp / num_images, tp / num_truths))
    return points


def by_threshold(
    scores: Sequence[float], is_true: Sequence[bool], num_truths: int, num_images: int
):
    """(false positives per image, detection rate) at each score threshold, the highest first."""
    points = []
    for threshold in sorted(set(scores), reverse=True):
        kept = [is_true[k] for k in range(len(scores)) if scores[k] >= threshold]
        points.append((kept.count(False) / num_images, kept.count(True) / num_truths))
    return points


def miss_rate_at(points: Sequence[tuple[float, float]], reference: float) -> float:
    detection_rate = 0.0
    for false_positives, rate in points:
        if false_positives <= reference:
            detection_rate = rate
    return 1 - detection_rate


def log_average_miss_rate(points: Sequence[tuple[float, float]]) -> float:
    product = 1.0
    for reference in REFERENCES:
        product *= max(1e-10, miss_rate_at(points, reference)) ** (1 / 9)
    return product


def worth(
    scores: Sequence[float],
    is_true: Sequence[bool],
    num_truths: int,
    num_images: int,
    threshold: float,
) -> tuple[float, float, float]:
    """Precision, recall and false positives per image of what a threshold keeps."""
    kept = [is_true[k] for k in range(len(scores)) if scores[k] >= threshold]
    precision = kept.count(True) / len(kept) if kept else math.nan
    return precision, kept.count(True) / num_truths, kept.count(False) / num_images
