"""hotcoco alone, from the arrays of our metrics: the peer of tests and benchmarks."""

from __future__ import annotations

import hotcoco

from singleshot.metrics import Truths
from singleshot.metrics.coco import corner_and_size

__all__ = ["as_coco"]


def as_coco(truths: Truths, num_classes: int) -> hotcoco.COCO:
    """All truths at once; pictures and classes have the ids 1, 2, 3 …"""
    return hotcoco.COCO.from_arrays(
        images=[{"id": image + 1} for image in range(truths.num_images)],
        categories=[{"id": label + 1, "name": str(label)} for label in range(num_classes)],
        image_ids=truths.images + 1,
        category_ids=truths.labels + 1,
        boxes=corner_and_size(truths.boxes),
        area=truths.areas,
        iscrowd=truths.crowd,
    )
