"""Missed objects against false alarms per picture: how pedestrians and faces are judged.

As the score threshold falls, fewer objects are missed and more false alarms are raised:

    miss rate                 1 - recall
    false alarms per picture  false alarms / pictures, those without objects included (FPPI)

Ignored detections are in neither, and are not on the curve given here (`curves_per_class`).
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64

from singleshot.metrics.curves import Curve

__all__ = [
    "FEWEST_PICTURES",
    "false_alarms_per_picture",
    "log_average_miss_rate",
    "miss_rate_at",
    "recall_at_false_alarms",
]

REFERENCES: Float64[np.ndarray, " limits"] = np.logspace(-2, 0, 9)  # false alarms per picture
FEWEST_PICTURES = 100  # on fewer, 0.01 false alarms per picture is less than one in all of them
LEAST_MISS_RATE = 1e-10  # a detector that misses nothing has no logarithm


def false_alarms_per_picture(curve: Curve, num_images: int) -> Float64[np.ndarray, " thresholds"]:
    """At each of `curve.at_thresholds()`: (1 - precision) x detections kept / pictures.

    Args:
        curve: of one class, a point for each detection; at thresholds alone, those between them
            could not be counted any more.
        num_images: pictures searched, with or without objects.
    """
    _, num_false_alarms = curve.counts_at_thresholds()
    return np.asarray(num_false_alarms / num_images)


def recall_at_false_alarms(curve: Curve, num_images: int, limit: float) -> float:
    """Best recall with at most `limit` false alarms per picture; 0 when the first is too many.

    FDDB (Jain and Learned-Miller 2010) draws it against the false alarms in all of its 2,845
    pictures: its "at 1000 false positives" is a limit of 1000 / 2845.
    """
    return float(recalls_at(curve, num_images, np.array([limit], np.float64))[0])


def miss_rate_at(curve: Curve, num_images: int, limit: float) -> float:
    """Lowest miss rate with at most `limit` false alarms per picture; 1 when the first is too many.

    A curve that ends before `limit` counts with its last point, the lowest miss rate it has.
    """
    return 1 - recall_at_false_alarms(curve, num_images, limit)


def log_average_miss_rate(curve: Curve, num_images: int) -> float:
    """Geometric mean of the miss rates at nine false alarm rates, 0.01 to 1 per picture.

    exp(mean of log(miss rate at f)) for f = 10^-2, 10^-1.75 … 10^0; lower is better (Dollár et al.
    2012, "Pedestrian Detection: An Evaluation of the State of the Art", §3.1). At each f the rule
    is `miss_rate_at`, and no miss rate counts as less than 1e-10 (bbGt.m, compRoc, and acfTest.m of
    Dollár's toolbox). There each detection is a point; here those of equal score are one, because
    no threshold parts them.

    On fewer than 100 pictures (`FEWEST_PICTURES`) the lowest rates allow no false alarm at all, and
    a class that is found before its first one has a miss rate of 1e-10 there, which pulls the mean
    to nothing. The number is then about those few detections alone; a diagnosis leaves it out.
    """
    rates = 1 - recalls_at(curve, num_images, REFERENCES)
    return float(np.exp(np.log(np.maximum(rates, LEAST_MISS_RATE)).mean()))


def recalls_at(
    curve: Curve, num_images: int, limits: Float64[np.ndarray, " limits"]
) -> Float64[np.ndarray, " limits"]:
    """`recall_at_false_alarms` for several limits at once."""
    num_points = np.searchsorted(false_alarms_per_picture(curve, num_images), limits, side="right")
    return np.asarray(np.append(0.0, curve.at_thresholds().recall)[num_points])
