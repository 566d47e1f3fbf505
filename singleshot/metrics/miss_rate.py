"""Miss rate against false positives per image: the metrics of pedestrian and face detection.

As the score threshold falls, fewer objects are missed and more false positives are made:

    miss rate                 1 - recall
    false positives per image  false positives / images, those without objects included (FPPI)

Ignored detections are in neither, and are not on the curve given here (`curves_per_class`).
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64

from singleshot.metrics.curves import Curve

__all__ = [
    "FEWEST_IMAGES",
    "false_positives_per_image",
    "log_average_miss_rate",
    "miss_rate_at",
    "recall_at_false_positives",
]

REFERENCES: Float64[np.ndarray, " limits"] = np.logspace(-2, 0, 9)  # false positives per image
FEWEST_IMAGES = 100  # on fewer, 0.01 false positives per image is less than one in all of them
LEAST_MISS_RATE = 1e-10  # a detector that misses nothing has no logarithm


def false_positives_per_image(curve: Curve, num_images: int) -> Float64[np.ndarray, " thresholds"]:
    """Compute false positives per image (FPPI) at each of `curve.at_thresholds()`.

    (1 - precision) x detections kept / images.

    Args:
        curve: of one class, a point for each detection; at thresholds alone, those between them
            could not be counted any more.
        num_images: images searched, with or without objects.
    """
    _, num_false_positives = curve.counts_at_thresholds()
    return np.asarray(num_false_positives / num_images)


def recall_at_false_positives(curve: Curve, num_images: int, limit: float) -> float:
    """Find the best recall with at most `limit` false positives per image; 0 without any.

    FDDB (Jain and Learned-Miller 2010) draws it against the false positives in all of its 2,845
    images: its "at 1000 false positives" is a limit of 1000 / 2845.
    """
    return float(recalls_at(curve, num_images, np.array([limit], np.float64))[0])


def miss_rate_at(curve: Curve, num_images: int, limit: float) -> float:
    """Find the lowest miss rate with at most `limit` false positives per image; 1 without any.

    A curve that ends before `limit` counts with its last point, the lowest miss rate it has.
    """
    return 1 - recall_at_false_positives(curve, num_images, limit)


def log_average_miss_rate(curve: Curve, num_images: int) -> float:
    """Compute the geometric mean of the miss rates at nine values of FPPI, 0.01 to 1.

    exp(mean of log(miss rate at f)) for f = 10^-2, 10^-1.75 … 10^0; lower is better (Dollár et al.
    2012, "Pedestrian Detection: An Evaluation of the State of the Art", §3.1). At each f the rule
    is `miss_rate_at`, and no miss rate counts as less than 1e-10 (bbGt.m, compRoc, and acfTest.m of
    Dollár's toolbox). There each detection is a point; here those of equal score are one, because
    no threshold parts them.

    On fewer than 100 images (`FEWEST_IMAGES`) the lowest rates allow no false positive at all, and
    a class that is found before its first one has a miss rate of 1e-10 there, which pulls the mean
    to nothing. The number is then about those few detections alone; a diagnosis leaves it out.
    """
    rates = 1 - recalls_at(curve, num_images, REFERENCES)
    return float(np.exp(np.log(np.maximum(rates, LEAST_MISS_RATE)).mean()))


def recalls_at(
    curve: Curve, num_images: int, limits: Float64[np.ndarray, " limits"]
) -> Float64[np.ndarray, " limits"]:
    """Compute `recall_at_false_positives` for several limits at once."""
    num_points = np.searchsorted(false_positives_per_image(curve, num_images), limits, side="right")
    return np.asarray(np.append(0.0, curve.at_thresholds().recall)[num_points])
