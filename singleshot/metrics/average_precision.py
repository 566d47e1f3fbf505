"""The area under a precision-recall curve, by the two rules of PASCAL VOC and that of COCO.

All first replace precision by its envelope, the best precision at this recall or a higher one;
recalls that are never reached have precision 0.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64

__all__ = ["eleven_points", "every_point", "hundred_one_points"]


def eleven_points(recall: Float64[np.ndarray, " n"], precision: Float64[np.ndarray, " n"]) -> float:
    """VOC until 2009: mean envelope at the recalls 0, 0.1 … 1 (VOC2007 devkit, VOCevaldet.m)."""
    # In floating point 3 * 0.1 is above 3 / 10: a recall of exactly 0.3 (0.6, 0.7) falls short of
    # it. Published numbers hold this accident (py-faster-rcnn's, Padilla's table), so ours do too.
    targets = np.arange(11) * 0.1
    reached_at = np.searchsorted(recall, targets)
    return float(np.append(envelope(precision), 0)[reached_at].mean())


def every_point(recall: Float64[np.ndarray, " n"], precision: Float64[np.ndarray, " n"]) -> float:
    """VOC since 2010: sum of (rise of recall) x envelope over all points (VOCap.m)."""
    rises = np.diff(recall, prepend=0)
    return float(rises @ envelope(precision))


def hundred_one_points(
    recall: Float64[np.ndarray, " n"], precision: Float64[np.ndarray, " n"]
) -> float:
    """COCO: mean envelope at the recalls 0, 0.01 … 1 (cocoeval.py, accumulate)."""
    reached_at = np.searchsorted(recall, np.linspace(0, 1, 101))
    return float(np.append(envelope(precision), 0)[reached_at].mean())


def envelope(precision: Float64[np.ndarray, " n"]) -> Float64[np.ndarray, " n"]:
    """Best precision from each point on."""
    return np.maximum.accumulate(precision[::-1])[::-1]
