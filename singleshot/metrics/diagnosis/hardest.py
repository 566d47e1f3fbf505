"""The images a detector does worst on."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool

from singleshot.metrics.columns import Predictions, Truths
from singleshot.metrics.diagnosis.error_types import not_hit
from singleshot.metrics.hits import Hits

__all__ = ["HardImage", "find_hardest"]


class HardImage(NamedTuple):
    """What went wrong in an image, at the score thresholds."""

    image: int  # index of the image
    misses: int
    false_positives: int
    f1: float  # 2 x hits / (2 x hits + misses + false positives)


def find_hardest(
    kept: Predictions,
    truths: Truths,
    hits: Hits,
    *,
    ignore: Bool[np.ndarray, " m"],
    most: int = 20,
) -> tuple[HardImage, ...]:
    """Images with a miss or a false positive, worst first, at most so many.

    The worst has the lowest F1; of those, the most misses and false positives; of those, the first.
    `kept` are the detections with at least the score threshold of their class, `hits` theirs.
    """
    false_positive = ~hits.hit & ~hits.ignored
    num_hits, num_false_positives, num_misses = (
        np.bincount(images, minlength=truths.num_images)
        for images in (
            kept.images[hits.hit],
            kept.images[false_positive],
            truths.images[not_hit(hits, ignore=ignore)],
        )
    )
    num_wrong = num_false_positives + num_misses
    f1 = 2 * num_hits / np.maximum(2 * num_hits + num_wrong, 1)
    worst_first = np.lexsort((-num_wrong, f1))
    worst = worst_first[num_wrong[worst_first] > 0][:most]
    return tuple(
        HardImage(
            image=int(image),
            misses=int(num_misses[image]),
            false_positives=int(num_false_positives[image]),
            f1=float(f1[image]),
        )
        for image in worst
    )
