"""VOCevaldet.m and VOCap.m of VOCdevkit, written out line by line and slowly.

Boxes are the devkit's: whole pixels counted from 1, both ends inside, hence each `+ 1`. What MATLAB
makes of 0 / 0 stays NaN, and its `max` passes over NaN. The one thing that has to be chosen is how
the eleven recalls are rounded:

MATLAB_RECALLS   `0:0.1:1`, which MATLAB counts from both ends: 0.3 alone is a little too large
NUMPY_RECALLS    `np.arange(0, 1.1, 0.1)` of py-faster-rcnn and most since: 0.6 and 0.7 are as well
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

Box = tuple[float, float, float, float]

MATLAB_RECALLS = [k * 0.1 for k in range(5)] + [0.5] + [1 - k * 0.1 for k in reversed(range(5))]
NUMPY_RECALLS = [k * 0.1 for k in range(11)]


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
    objects: Mapping[int, Sequence[Object]], found: Sequence[Found], minoverlap: float
) -> tuple[list[float], list[float], list[bool]]:
    """Of one class, after each detection: recall, precision; and whether it is right or wrong."""
    npos = sum(
        not one.difficult for objects_of_image in objects.values() for one in objects_of_image
    )
    found = sorted(found, key=lambda one: -one.score)  # stable, as MATLAB's sort
    recall, precision, counts = [], [], []
    tp = fp = 0
    for one in found:
        ovmax, best = -math.inf, None
        for candidate in objects.get(one.image, []):
            bb, bbgt = one.box, candidate.box
            bi = (
                max(bb[0], bbgt[0]),
                max(bb[1], bbgt[1]),
                min(bb[2], bbgt[2]),
                min(bb[3], bbgt[3]),
            )
            iw = bi[2] - bi[0] + 1
            ih = bi[3] - bi[1] + 1
            if iw > 0 and ih > 0:
                ua = (
                    (bb[2] - bb[0] + 1) * (bb[3] - bb[1] + 1)
                    + (bbgt[2] - bbgt[0] + 1) * (bbgt[3] - bbgt[1] + 1)
                    - iw * ih
                )
                ov = iw * ih / ua
                if ov > ovmax:
                    ovmax, best = ov, candidate
        before = tp + fp
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
        counts.append(tp + fp > before)
    return recall, precision, counts


def average_precision_2007(
    recall: Sequence[float], precision: Sequence[float], recalls: Sequence[float] = MATLAB_RECALLS
) -> float:
    ap = 0.0
    for t in recalls:
        reached = [p for r, p in zip(recall, precision, strict=True) if r >= t]
        ap += (matlab_max(reached) if reached else 0.0) / 11
    return ap


def average_precision_2010(recall: Sequence[float], precision: Sequence[float]) -> float:
    mrec, mpre = [0.0, *recall, 1.0], [0.0, *precision, 0.0]
    for i in range(len(mpre) - 2, -1, -1):
        mpre[i] = matlab_max([mpre[i], mpre[i + 1]])
    return sum(
        (mrec[i] - mrec[i - 1]) * mpre[i] for i in range(1, len(mrec)) if mrec[i] != mrec[i - 1]
    )


def matlab_max(values: Sequence[float]) -> float:
    """The largest that is a number; NaN when none is."""
    return max((value for value in values if not math.isnan(value)), default=math.nan)
