"""Images with the lowest F1."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool

from singleshot.metrics.detection_tables import Predictions, Truths
from singleshot.metrics.diagnosis.error_types import find_undetected
from singleshot.metrics.voc_matching import Outcomes

__all__ = ["HardImage", "find_hardest"]


class HardImage(NamedTuple):
    """Errors in one image, at the score thresholds."""

    image: int  # index of the image
    false_negatives: int
    false_positives: int
    f1: float  # 2 x true positives / (2 x true positives + false negatives + false positives)


def find_hardest(
    kept: Predictions,
    truths: Truths,
    outcomes: Outcomes,
    *,
    ignore: Bool[np.ndarray, " m"],
    most: int = 20,
) -> tuple[HardImage, ...]:
    """Find the images with an error, worst first, at most `most`.

    The worst has the lowest F1; of those, the most errors; of those, the first. `kept` are the
    detections with at least the score threshold of their class, with their outcomes.
    """
    false_positive = ~outcomes.true_positive & ~outcomes.ignored
    num_true_positives, num_false_positives, num_false_negatives = (
        np.bincount(images, minlength=truths.num_images)
        for images in (
            kept.images[outcomes.true_positive],
            kept.images[false_positive],
            truths.images[find_undetected(outcomes, ignore=ignore)],
        )
    )
    num_wrong = num_false_positives + num_false_negatives
    f1 = 2 * num_true_positives / np.maximum(2 * num_true_positives + num_wrong, 1)
    worst_first = np.lexsort((-num_wrong, f1))
    worst = worst_first[num_wrong[worst_first] > 0][:most]
    return tuple(
        HardImage(
            image=int(image),
            false_negatives=int(num_false_negatives[image]),
            false_positives=int(num_false_positives[image]),
            f1=float(f1[image]),
        )
        for image in worst
    )
