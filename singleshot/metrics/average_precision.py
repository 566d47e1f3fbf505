"""The area under a precision-recall curve, by the two rules of PASCAL VOC and that of COCO.

All first replace precision by its envelope, the best precision at this recall or a higher one;
recalls that are never reached have precision 0.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float64

__all__ = [
    "ELEVEN",
    "HUNDRED_ONE",
    "eleven_points",
    "every_point",
    "hundred_one_points",
    "mean_of_defined",
    "means_of_defined",
]

# In floating point 3 * 0.1 is above 3 / 10: a recall of exactly 0.3 (0.6, 0.7) falls short of it.
# Published numbers hold this accident (py-faster-rcnn's, Padilla's table), so ours do too.
ELEVEN: Float64[np.ndarray, " points"] = np.arange(11) * 0.1
HUNDRED_ONE: Float64[np.ndarray, " points"] = np.linspace(0, 1, 101)


def eleven_points(recall: Float64[np.ndarray, " n"], precision: Float64[np.ndarray, " n"]) -> float:
    """Compute AP of VOC until 2009: the mean envelope at the recalls 0, 0.1 … 1.

    VOC2007 devkit, VOCevaldet.m.
    """
    reached_at = np.searchsorted(recall, ELEVEN)
    return float(np.append(envelope(precision), 0)[reached_at].mean())


def every_point(recall: Float64[np.ndarray, " n"], precision: Float64[np.ndarray, " n"]) -> float:
    """Compute AP of VOC since 2010: the sum of (rise of recall) x envelope (VOCap.m)."""
    rises = np.diff(recall, prepend=0)
    return float(rises @ envelope(precision))


def hundred_one_points(
    recall: Float64[np.ndarray, " n"], precision: Float64[np.ndarray, " n"]
) -> float:
    """Compute AP of COCO: the mean envelope at recalls 0, 0.01 … 1 (cocoeval.py, accumulate)."""
    reached_at = np.searchsorted(recall, HUNDRED_ONE)
    return float(np.append(envelope(precision), 0)[reached_at].mean())


def envelope(precision: Float64[np.ndarray, " n"]) -> Float64[np.ndarray, " n"]:
    """Compute the best precision from each point on."""
    return np.maximum.accumulate(precision[::-1])[::-1]


def mean_of_defined(values: Sequence[float | None]) -> float | None:
    """Average over the classes with truths, where AP is defined; None without any."""
    found = [value for value in values if value is not None]
    return sum(found) / len(found) if found else None


def means_of_defined(
    values: Float64[np.ndarray, "num_classes draws"],
) -> Float64[np.ndarray, " draws"]:
    """Compute `mean_of_defined` of each column; NaN is what is undefined."""
    defined = ~np.isnan(values)
    count = defined.sum(axis=0)
    total = np.where(defined, values, 0).sum(axis=0)
    mean = np.divide(total, count, out=np.full(len(count), np.nan), where=count > 0)
    return np.asarray(mean)
