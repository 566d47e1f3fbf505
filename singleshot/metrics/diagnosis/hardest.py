"""The pictures a detector does worst on."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool

from singleshot.metrics.columns import Predictions, Truths
from singleshot.metrics.diagnosis.error_types import not_hit
from singleshot.metrics.hits import Hits

__all__ = ["HardPicture", "find_hardest"]


class HardPicture(NamedTuple):
    """What went wrong in a picture, at the score thresholds."""

    image: int  # index of the picture
    misses: int
    false_alarms: int
    f1: float  # 2 x hits / (2 x hits + misses + false alarms)


def find_hardest(
    kept: Predictions,
    truths: Truths,
    hits: Hits,
    *,
    ignore: Bool[np.ndarray, " m"],
    most: int = 20,
) -> tuple[HardPicture, ...]:
    """Pictures with a miss or a false alarm, worst first, at most so many.

    The worst has the lowest F1; of those, the most misses and false alarms; of those, the first.
    `kept` are the detections with at least the score threshold of their class, `hits` theirs.
    """
    false_alarm = ~hits.hit & ~hits.ignored
    num_hits, num_false_alarms, num_misses = (
        np.bincount(images, minlength=truths.num_images)
        for images in (
            kept.images[hits.hit],
            kept.images[false_alarm],
            truths.images[not_hit(hits, ignore=ignore)],
        )
    )
    num_wrong = num_false_alarms + num_misses
    f1 = 2 * num_hits / np.maximum(2 * num_hits + num_wrong, 1)
    worst_first = np.lexsort((-num_wrong, f1))
    worst = worst_first[num_wrong[worst_first] > 0][:most]
    return tuple(
        HardPicture(
            image=int(image),
            misses=int(num_misses[image]),
            false_alarms=int(num_false_alarms[image]),
            f1=float(f1[image]),
        )
        for image in worst
    )
