"""Accuracy on parts of the data: by box size, aspect ratio, crowding and attributes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float64

from singleshot.metrics.average_precision import mean_of_defined
from singleshot.metrics.curves import count_truths, curves_per_class
from singleshot.metrics.detection_tables import Predictions, Truths
from singleshot.metrics.protocol import Protocol
from singleshot.metrics.voc_matching import (
    Outcomes,
    Overlaps,
    box_areas,
    find_overlaps,
    true_positives_at,
)

__all__ = ["Slice", "find_slices"]

SMALL, LARGE = 32.0**2, 96.0**2  # square pixels: COCO's bounds (cocoeval.py, Params)
LONGISH = 2.0  # one side of a tall or a wide box is more than so many times the other
CROWDING = (("0–1 objects", 1), ("2–5 objects", 5), ("6–15 objects", 15))
CROWDED = "more than 15 objects"


class Slice(NamedTuple):
    """Accuracy on one part of a data set."""

    by: str  # "box size", "aspect ratio", "crowding" or the name of an attribute
    name: str  # such as "small", "wide", "2–5 objects", "night"; "" where unknown
    images: int  # images that belong to it; for a slice of boxes, images with such a truth
    truths: int  # that count
    average_precision: float | None  # mean over classes with truths in it; None without
    recall: float | None  # true positives / truths at the score thresholds; None without truths


class _Part(NamedTuple):
    """Truths and detections of a slice."""

    by: str
    name: str
    images: int
    counted: Bool[np.ndarray, " m"]  # truths that belong to it and count
    outcomes: Outcomes  # of all detections; those outside the slice are ignored


def find_slices(
    predictions: Predictions,
    truths: Truths,
    num_classes: int,
    *,
    protocol: Protocol,
    iou_threshold: float,
    score_thresholds: Float64[np.ndarray, " num_classes"],
    attributes: Mapping[str, Sequence[str]],
) -> tuple[Slice, ...]:
    """Evaluate parts of the truths, then parts of the images.

    box size       small: area < 32², medium, large: area > 96² square pixels; of a truth its own
                   area (in COCO's files that of the mask), of a detection that of its box
    aspect ratio   tall: width < height / 2; wide: width > 2 x height; balanced: neither
    crowding       by the number of truths in the image that count
    attributes     one value for each image, "" where it is unknown

    For parts of the truths, COCO's rule: truths outside are ignored, and so are detections outside
    that are no true positives. (COCO counts an area of exactly 32² or 96² on both sides.) For parts
    of the images the numbers are those of evaluating these images alone.

    Average precision is the protocol's area at the IoU threshold, of all detections; recall is
    that of the detections with at least the score threshold of their class.
    """
    overlaps = find_overlaps(predictions, truths)
    ignore = protocol.ignores(truths)
    kept = predictions.scores >= score_thresholds[predictions.labels]
    outcomes = true_positives_at(
        overlaps, predictions.scores, ignore=ignore, iou_threshold=iou_threshold
    )
    parts = chain(
        parts_of_truths(predictions, truths, overlaps, ignore=ignore, iou_threshold=iou_threshold),
        parts_of_images(predictions, truths, outcomes, ignore=ignore, attributes=attributes),
    )
    slices = []
    for part in parts:
        num_truths = count_truths(truths, num_classes, ignore=~part.counted)
        curves = curves_per_class(predictions, part.outcomes, num_truths)
        average_precision = mean_of_defined(protocol.average_precisions(curves))
        numbers = sum(num_truths), average_precision, _recall(part, kept)
        slices.append(Slice(part.by, part.name, part.images, *numbers))
    return tuple(slices)


def _recall(part: _Part, kept: Bool[np.ndarray, " n"]) -> float | None:
    """Compute the recall of the detections kept on a slice; None without truths."""
    num_truths = int(part.counted.sum())
    num_true_positives = int((kept & part.outcomes.true_positive & ~part.outcomes.ignored).sum())
    return num_true_positives / num_truths if num_truths else None


def parts_of_truths(
    predictions: Predictions,
    truths: Truths,
    overlaps: Overlaps,
    *,
    ignore: Bool[np.ndarray, " m"],
    iou_threshold: float,
) -> Iterator[_Part]:
    """Split truths by size and by aspect ratio."""
    names_of_truths = {"box size": by_size(truths.areas), "aspect ratio": by_aspect(truths.boxes)}
    names_of_found = {
        "box size": by_size(box_areas(predictions.boxes)),
        "aspect ratio": by_aspect(predictions.boxes),
    }
    for by, groups in names_of_truths.items():
        for name, inside in groups.items():
            counted = inside & ~ignore
            outcomes = true_positives_at(
                overlaps, predictions.scores, ignore=~counted, iou_threshold=iou_threshold
            )
            outside = ~outcomes.true_positive & ~names_of_found[by][name]
            images = len(np.unique(truths.images[counted]))
            yield _Part(
                by, name, images, counted, Outcomes(outcomes.truths, outcomes.ignored | outside)
            )


def by_size(areas: Float64[np.ndarray, " k"]) -> dict[str, Bool[np.ndarray, " k"]]:
    """Mark the small, medium and large ones."""
    small, large = areas < SMALL, areas > LARGE
    return {"small": small, "medium": ~small & ~large, "large": large}


def by_aspect(boxes: Float64[np.ndarray, "k 4"]) -> dict[str, Bool[np.ndarray, " k"]]:
    """Mark the tall, balanced and wide ones."""
    widths, heights = (boxes[:, 2:] - boxes[:, :2]).T
    tall, wide = heights > LONGISH * widths, widths > LONGISH * heights
    return {"tall": tall, "balanced": ~tall & ~wide, "wide": wide}


def parts_of_images(
    predictions: Predictions,
    truths: Truths,
    outcomes: Outcomes,
    *,
    ignore: Bool[np.ndarray, " m"],
    attributes: Mapping[str, Sequence[str]],
) -> Iterator[_Part]:
    """Split images by crowding and by the attributes."""
    groups = {"crowding": by_crowding(truths, ignore)}
    groups |= {by: by_value(values) for by, values in attributes.items()}
    for by, images_of in groups.items():
        for name, images in images_of.items():
            counted = images[truths.images] & ~ignore
            ignored = outcomes.ignored | ~images[predictions.images]
            yield _Part(by, name, int(images.sum()), counted, Outcomes(outcomes.truths, ignored))


def by_crowding(
    truths: Truths, ignore: Bool[np.ndarray, " m"]
) -> dict[str, Bool[np.ndarray, " images"]]:
    """Group images by the number of truths in them that count."""
    counts = np.bincount(truths.images[~ignore], minlength=truths.num_images)
    level = np.searchsorted([most for _, most in CROWDING], counts)
    names = [*(name for name, _ in CROWDING), CROWDED]
    return {name: level == number for number, name in enumerate(names)}


def by_value(values: Sequence[str]) -> dict[str, Bool[np.ndarray, " images"]]:
    """Group images by the value of an attribute, in alphabetical order, unknown ones last."""
    column = np.array(values, dtype=np.str_)
    return {value: column == value for value in sorted(set(values), key=lambda one: (not one, one))}
