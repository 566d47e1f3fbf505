"""VOCevaldet.m and VOCap.m of VOCdevkit, written out line by line and slowly.

Two liberties: boxes are half-open, so that `+ 1` is gone (VOC's inclusive pixels are converted when
read); and the eleven recalls, 0:0.1:1, are rounded as Python's k * 0.1, as in py-faster-rcnn.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

Box = tuple[float, float, float, float]


@dataclass
class Object:
    box: Box
    difficult: bool
    detected: bool = False


@dataclass
class Found:
    image: int
    box: Box
    score: float


def evaluate(
    objects: dict[int, list[Object]], found: list[Found], minoverlap: float
) -> tuple[list[float], list[float]]:
    """Recall and precision after each detection of one class."""
    npos = sum(
        not one.difficult for objects_of_image in objects.values() for one in objects_of_image
    )
    found = sorted(found, key=lambda one: -one.score)  # stable, as MATLAB's sort
    recall, precision = [], []
    tp = fp = 0
    for one in found:
        ovmax, best = -math.inf, None
        for candidate in objects.get(one.image, []):
            bb, bbgt = one.box, candidate.box
            iw = min(bb[2], bbgt[2]) - max(bb[0], bbgt[0])
            ih = min(bb[3], bbgt[3]) - max(bb[1], bbgt[1])
            if iw > 0 and ih > 0:
                ua = (
                    (bb[2] - bb[0]) * (bb[3] - bb[1])
                    + (bbgt[2] - bbgt[0]) * (bbgt[3] - bbgt[1])
                    - iw * ih
                )
                if iw * ih / ua > ovmax:
                    ovmax, best = iw * ih / ua, candidate
        if ovmax >= minoverlap:
            if not best.difficult:
                if not best.detected:
                    tp += 1
                    best.detected = True
                else:
                    fp += 1
        else:
            fp += 1
        recall.append(tp / npos)
        precision.append(tp / (tp + fp) if tp + fp else math.nan)
    return recall, precision


def average_precision_2007(recall: list[float], precision: list[float]) -> float:
    ap = 0.0
    for k in range(11):
        reached = [p for r, p in zip(recall, precision, strict=True) if r >= k * 0.1]
        ap += max_without_nan(reached, 0.0) / 11
    return ap


def average_precision_2010(recall: list[float], precision: list[float]) -> float:
    mrec, mpre = [0.0, *recall, 1.0], [0.0, *precision, 0.0]
    for i in range(len(mpre) - 2, -1, -1):
        mpre[i] = max_without_nan([mpre[i], mpre[i + 1]], 0.0)
    return sum(
        (mrec[i] - mrec[i - 1]) * mpre[i] for i in range(1, len(mrec)) if mrec[i] != mrec[i - 1]
    )


def max_without_nan(values: list[float], default: float) -> float:
    """MATLAB's max skips NaN."""
    return max((value for value in values if not math.isnan(value)), default=default)
