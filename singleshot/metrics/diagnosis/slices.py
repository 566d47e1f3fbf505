"""Numbers for some of the objects or images only: where a detector is weak."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float64

from singleshot.metrics.average_precision import mean_of_defined
from singleshot.metrics.columns import Predictions, Truths
from singleshot.metrics.curves import count_truths, curves_per_class
from singleshot.metrics.hits import Hits, Overlaps, area, find_overlaps, hits_at
from singleshot.metrics.protocol import Protocol

__all__ = ["Slice", "find_slices"]

SMALL, LARGE = 32.0**2, 96.0**2  # square pixels: COCO's bounds (cocoeval.py, Params)
LONGISH = 2.0  # one side of a tall or a wide box is more than so many times the other
CROWDING = (("0–1 objects", 1), ("2–5 objects", 5), ("6–15 objects", 15))
CROWDED = "more than 15 objects"


class Slice(NamedTuple):
    """What a detector is worth on one part of a data set."""

    by: str  # "box size", "aspect ratio", "crowding" or the name of an attribute
    name: str  # such as "small", "wide", "2–5 objects", "night"; "" where unknown
    images: int  # images that belong to it; for a slice of boxes, images with such a truth
    truths: int  # that count
    average_precision: float | None  # mean over classes with truths in it; None without
    recall: float | None  # hits / truths at the score thresholds; None without truths


class Part(NamedTuple):
    """Of all truths and detections, those that a slice is about."""

    by: str
    name: str
    images: int
    counted: Bool[np.ndarray, " m"]  # truths that belong to it and count
    hits: Hits  # of all detections; what is outside the slice is ignored


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
    """Judge parts of the truths, then parts of the images.

    box size       small: area < 32², medium, large: area > 96² square pixels; of a truth its own
                   area (in COCO's files that of the mask), of a detection that of its box
    aspect ratio   tall: width < height / 2; wide: width > 2 x height; balanced: neither
    crowding       by the number of truths in the image that count
    attributes     one value for each image, "" where it is unknown

    For parts of the truths, COCO's rule: truths outside are ignored, and so are detections outside
    that hit nothing. (COCO counts an area of exactly 32² or 96² on both sides.) For parts of the
    images the numbers are those of judging these images alone.

    Average precision is the protocol's area at the IoU threshold, of all detections; recall is
    that of the detections with at least the score threshold of their class.
    """
    overlaps = find_overlaps(predictions, truths)
    ignore = protocol.ignores(truths)
    kept = predictions.scores >= score_thresholds[predictions.labels]
    hits = hits_at(overlaps, predictions.scores, ignore=ignore, iou_threshold=iou_threshold)
    parts = chain(
        parts_of_truths(predictions, truths, overlaps, ignore=ignore, iou_threshold=iou_threshold),
        parts_of_images(predictions, truths, hits, ignore=ignore, attributes=attributes),
    )
    slices = []
    for part in parts:
        num_truths = count_truths(truths, num_classes, ignore=~part.counted)
        curves = curves_per_class(predictions, part.hits, num_truths)
        average_precision = mean_of_defined(protocol.average_precisions(curves))
        numbers = sum(num_truths), average_precision, recall(part, kept)
        slices.append(Slice(part.by, part.name, part.images, *numbers))
    return tuple(slices)


def recall(part: Part, kept: Bool[np.ndarray, " n"]) -> float | None:
    """Share of the truths of a slice that the detections kept hit; None without truths."""
    num_truths = int(part.counted.sum())
    num_hits = int((kept & part.hits.hit & ~part.hits.ignored).sum())
    return num_hits / num_truths if num_truths else None


def parts_of_truths(
    predictions: Predictions,
    truths: Truths,
    overlaps: Overlaps,
    *,
    ignore: Bool[np.ndarray, " m"],
    iou_threshold: float,
) -> Iterator[Part]:
    """By size and by aspect ratio."""
    names_of_truths = {"box size": sizes(truths.areas), "aspect ratio": aspects(truths.boxes)}
    names_of_found = {
        "box size": sizes(area(predictions.boxes)),
        "aspect ratio": aspects(predictions.boxes),
    }
    for by, groups in names_of_truths.items():
        for name, inside in groups.items():
            counted = inside & ~ignore
            hits = hits_at(
                overlaps, predictions.scores, ignore=~counted, iou_threshold=iou_threshold
            )
            outside = ~hits.hit & ~names_of_found[by][name]
            images = len(np.unique(truths.images[counted]))
            yield Part(by, name, images, counted, Hits(hits.truths, hits.ignored | outside))


def sizes(areas: Float64[np.ndarray, " k"]) -> dict[str, Bool[np.ndarray, " k"]]:
    """Which are small, medium and large."""
    small, large = areas < SMALL, areas > LARGE
    return {"small": small, "medium": ~small & ~large, "large": large}


def aspects(boxes: Float64[np.ndarray, "k 4"]) -> dict[str, Bool[np.ndarray, " k"]]:
    """Which are tall, balanced and wide."""
    widths, heights = (boxes[:, 2:] - boxes[:, :2]).T
    tall, wide = heights > LONGISH * widths, widths > LONGISH * heights
    return {"tall": tall, "balanced": ~tall & ~wide, "wide": wide}


def parts_of_images(
    predictions: Predictions,
    truths: Truths,
    hits: Hits,
    *,
    ignore: Bool[np.ndarray, " m"],
    attributes: Mapping[str, Sequence[str]],
) -> Iterator[Part]:
    """By crowding and by the attributes."""
    groups = {"crowding": crowding(truths, ignore)}
    groups |= {by: by_value(values) for by, values in attributes.items()}
    for by, images_of in groups.items():
        for name, images in images_of.items():
            counted = images[truths.images] & ~ignore
            ignored = hits.ignored | ~images[predictions.images]
            yield Part(by, name, int(images.sum()), counted, Hits(hits.truths, ignored))


def crowding(
    truths: Truths, ignore: Bool[np.ndarray, " m"]
) -> dict[str, Bool[np.ndarray, " images"]]:
    """Images by the number of truths in them that count."""
    counts = np.bincount(truths.images[~ignore], minlength=truths.num_images)
    level = np.searchsorted([most for _, most in CROWDING], counts)
    names = [*(name for name, _ in CROWDING), CROWDED]
    return {name: level == number for number, name in enumerate(names)}


def by_value(values: Sequence[str]) -> dict[str, Bool[np.ndarray, " images"]]:
    """Images by the value of an attribute, in the order of the alphabet, unknown ones last."""
    column = np.array(values, dtype=np.str_)
    return {value: column == value for value in sorted(set(values), key=lambda one: (not one, one))}
