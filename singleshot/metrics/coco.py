"""The twelve numbers of the COCO challenge, through hotcoco, which equals pycocotools.

A crowd region is COCO's: detections inside it are ignored. COCO has no difficult objects; they are
objects like any other here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import hotcoco
import numpy as np
from jaxtyping import Float64, Int64

from singleshot.metrics.detection_tables import Predictions, Truths

__all__ = ["ClassNumbers", "CocoNumbers", "coco_numbers"]

DETECTIONS_AT_ONCE = 1_000_000
IMAGES_AT_ONCE = 200  # of more detections than that


class CocoNumbers(NamedTuple):
    """Average precision and average recall as COCO names them; None where undefined."""

    AP: float | None  # mean over IoU thresholds 0.50, 0.55 … 0.95
    AP50: float | None
    AP75: float | None
    APs: float | None  # objects below 32 x 32 pixels
    APm: float | None
    APl: float | None  # objects above 96 x 96 pixels
    AR1: float | None  # with 1 detection per image and class
    AR10: float | None
    AR100: float | None
    ARs: float | None
    ARm: float | None
    ARl: float | None


class ClassNumbers(NamedTuple):
    """COCO's average precision of a class; None without truths."""

    AP: float | None  # mean over IoU thresholds 0.50, 0.55 … 0.95
    AP50: float | None


def coco_numbers(
    predictions: Predictions, truths: Truths, num_classes: int
) -> tuple[CocoNumbers, list[ClassNumbers]]:
    """Compute the twelve numbers, and AP and AP50 of each class."""
    evaluator = match_all(predictions, truths, num_classes)
    evaluator.accumulate()
    evaluator.summary_lines()  # like summarize(), without printing
    results: Mapping[str, float] = evaluator.get_results()
    numbers = CocoNumbers(*(none_if_undefined(results[name]) for name in CocoNumbers._fields))
    # Axes: IoU threshold, recall, class, object size (0: all), detections per image (last: 100).
    accumulated = evaluator.eval
    assert accumulated is not None
    precision = accumulated["precision"][:, :, :, 0, -1]
    return numbers, [
        ClassNumbers(
            none_if_undefined(precision[:, :, label].mean()),
            none_if_undefined(precision[0, :, label].mean()),
        )
        for label in range(num_classes)
    ]


def match_all(predictions: Predictions, truths: Truths, num_classes: int) -> hotcoco.COCOeval:
    """Match detections to truths: all at once, or many of them some images at a time.

    The second way takes a third longer and less than half the memory; the numbers are the same to
    the last bit.
    """
    if len(predictions) > DETECTIONS_AT_ONCE:
        return match_in_parts(predictions, truths, num_classes)
    truth = as_coco(truths, num_classes)
    evaluator = hotcoco.COCOeval(truth, truth.load_res(as_rows(predictions)), "bbox")
    evaluator.evaluate()
    return evaluator


def as_coco(truths: Truths, num_classes: int) -> hotcoco.COCO:
    """Convert all truths; ids of images and classes start at 1, as 0 means "none" in places."""
    return hotcoco.COCO.from_arrays(
        images=[{"id": image + 1} for image in range(truths.num_images)],
        categories=as_categories(num_classes),
        image_ids=truths.images + 1,
        category_ids=truths.labels + 1,
        boxes=to_xywh(truths.boxes),
        area=truths.areas,
        iscrowd=truths.crowd,
    )


def match_in_parts(predictions: Predictions, truths: Truths, num_classes: int) -> hotcoco.COCOeval:
    """Match some images at a time; only the matches are kept."""
    evaluator = hotcoco.StreamingEval(as_categories(num_classes))
    starts = np.arange(0, truths.num_images, IMAGES_AT_ONCE)
    own_truths = split_by_image(truths.images, starts)
    own_detections = split_by_image(predictions.images, starts)
    for start, objects, found in zip(starts.tolist(), own_truths, own_detections, strict=True):
        end = min(start + IMAGES_AT_ONCE, truths.num_images)
        images = [{"id": image + 1} for image in range(start, end)]
        evaluator.update(images, as_annotations(truths, objects), as_rows(predictions[found]))
    return evaluator.finalize()


def as_categories(num_classes: int) -> list[dict[str, Any]]:
    """Number the classes: COCO sorts by id, so that the order stays."""
    return [{"id": label + 1, "name": str(label)} for label in range(num_classes)]


def split_by_image(
    images: Int64[np.ndarray, " n"], starts: Int64[np.ndarray, " blocks"]
) -> list[Int64[np.ndarray, " _own"]]:
    """Split rows by image: those from each start to the next."""
    order = np.argsort(images, kind="stable")
    return np.split(order, np.searchsorted(images, starts[1:], sorter=order))[: len(starts)]


def as_annotations(truths: Truths, chosen: Int64[np.ndarray, " k"]) -> list[dict[str, Any]]:
    """Convert some of the objects to COCO's annotations."""
    columns = (
        (chosen + 1).tolist(),
        (truths.images[chosen] + 1).tolist(),
        (truths.labels[chosen] + 1).tolist(),
        to_xywh(truths.boxes[chosen]).tolist(),
        truths.areas[chosen].tolist(),
        truths.crowd[chosen].tolist(),
    )
    keys = ("id", "image_id", "category_id", "bbox", "area", "iscrowd")
    return [dict(zip(keys, row, strict=True)) for row in zip(*columns, strict=True)]


def as_rows(predictions: Predictions) -> Float64[np.ndarray, "n 7"]:
    """Convert detections to COCO's array of results: image, x, y, width, height, score, class."""
    return np.column_stack(
        [
            predictions.images + 1,
            to_xywh(predictions.boxes),
            predictions.scores,
            predictions.labels + 1,
        ]
    )


def to_xywh(boxes: Float64[np.ndarray, "n 4"]) -> Float64[np.ndarray, "n 4"]:
    """Convert (x1, y1, x2, y2) to COCO's (x1, y1, width, height)."""
    return np.hstack([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]])


def none_if_undefined(value: float) -> float | None:
    """Replace COCO's -1, "no such objects", by None."""
    return None if value < 0 else float(value)
