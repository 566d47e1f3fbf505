"""The twelve numbers of the COCO challenge, through hotcoco, which equals pycocotools.

A crowd region is as COCO has it: detections inside it are neither right nor wrong. COCO knows no
difficult objects; they are objects like any other here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import hotcoco
import numpy as np
from jaxtyping import Float64

from singleshot.metrics.columns import Predictions, Truths

__all__ = ["CocoNumbers", "coco_numbers"]


class CocoNumbers(NamedTuple):
    """Average precision and average recall as COCO names them; None where undefined."""

    AP: float | None  # mean over IoU thresholds 0.50, 0.55 … 0.95
    AP50: float | None
    AP75: float | None
    APs: float | None  # objects below 32 x 32 pixels
    APm: float | None
    APl: float | None  # objects above 96 x 96 pixels
    AR1: float | None  # with 1 detection a picture and class
    AR10: float | None
    AR100: float | None
    ARs: float | None
    ARm: float | None
    ARl: float | None


def coco_numbers(
    predictions: Predictions, truths: Truths, num_classes: int
) -> tuple[CocoNumbers, list[float | None]]:
    """Compute the twelve numbers, and AP over all IoU thresholds for each class."""
    truth = as_coco(truths, num_classes)
    found = truth.load_res(as_rows(predictions))
    evaluator = hotcoco.COCOeval(truth, found, "bbox")
    evaluator.evaluate()
    evaluator.accumulate()
    evaluator.summary_lines()  # like summarize(), without printing
    results: Mapping[str, float] = evaluator.get_results()
    numbers = CocoNumbers(*(defined(results[name]) for name in CocoNumbers._fields))
    # Axes: IoU threshold, recall, class, object size (0: all), detections a picture (last: 100).
    accumulated = evaluator.eval
    assert accumulated is not None
    precision = accumulated["precision"][:, :, :, 0, -1]
    return numbers, [defined(precision[:, :, label].mean()) for label in range(num_classes)]


def as_coco(truths: Truths, num_classes: int) -> hotcoco.COCO:
    """Give pictures and classes the ids 1, 2, 3 …; id 0 means "none" in places."""
    return hotcoco.COCO.from_arrays(
        images=[{"id": image + 1} for image in range(truths.num_images)],
        categories=[{"id": label + 1, "name": str(label)} for label in range(num_classes)],
        image_ids=truths.images + 1,
        category_ids=truths.labels + 1,
        boxes=corner_and_size(truths.boxes),
        area=truths.areas,
        iscrowd=truths.crowd,
    )


def as_rows(predictions: Predictions) -> Float64[np.ndarray, "n 7"]:
    """COCO's array of results: picture, x, y, width, height, score, class."""
    return np.column_stack(
        [
            predictions.images + 1,
            corner_and_size(predictions.boxes),
            predictions.scores,
            predictions.labels + 1,
        ]
    )


def corner_and_size(boxes: Float64[np.ndarray, "n 4"]) -> Float64[np.ndarray, "n 4"]:
    """(x1, y1, x2, y2) as COCO's (x1, y1, width, height)."""
    return np.hstack([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]])


def defined(value: float) -> float | None:
    """COCO says -1 for "there is nothing to measure"."""
    return None if value < 0 else float(value)
