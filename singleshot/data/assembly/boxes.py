"""Boxes in pixels of their images: fractions converted, corners put in order, clipped."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int64

from singleshot.data.findings import Findings, count_of
from singleshot.data.formats.annotations import Annotations
from singleshot.data.reading import ReadingOptions

__all__ = [
    "RepairedBoxes",
    "are_fractions",
    "count_fractions_from_0",
    "refuse_fractions",
    "refuse_pixels",
    "repair_boxes",
]

_ROUNDING = 0.05  # pixels; annotations rounded to a decimal or two stick out by less
_LEAST_INSIDE = 0.25  # of the area of a box; with less it may be of another image
_FAR = 2  # image sizes; fractions reach beyond 1 by little, pixels by far


def are_fractions(annotations: Annotations, reading: ReadingOptions) -> bool:
    """Check whether boxes are fractions of the image: by their format, or as the user states."""
    return annotations.normalized or reading.normalized


def count_fractions_from_0(annotations: Annotations) -> None:
    """Add to fractions what the reader, which took them for pixels, has subtracted."""
    origin, annotations.origin = annotations.origin, 0
    if origin:
        for image in annotations.images:
            image.objects = [
                one._replace(box=(one.box[0] + origin, one.box[1] + origin, *one.box[2:]))
                for one in image.objects
            ]


def refuse_fractions(
    boxes: Float64[np.ndarray, "k 4"], annotations: Annotations, findings: Findings
) -> None:
    """Report boxes in pixels that look like fractions of the image: no corner is beyond 1."""
    whole = np.allclose(boxes, np.rint(boxes), rtol=0, atol=1e-6)
    if not len(boxes) or boxes[:, 2:].max() > 1 or whole:
        return
    largest = ", ".join(f"{value:g}" for value in boxes.max(axis=0))
    findings.add(
        "fractions",
        str(annotations.file),
        f"no corner of {count_of(len(boxes), 'boxes')} is beyond 1 pixel (the largest: {largest})",
    )


def refuse_pixels(
    boxes: Float64[np.ndarray, "k 4"], annotations: Annotations, findings: Findings
) -> None:
    """Report boxes that `normalized` takes for fractions, and that mostly reach far beyond 1.

    As fractions nearly all of them would lie outside their images, and be dropped.
    """
    if annotations.normalized or not len(boxes) or np.median(boxes[:, 2:].max(axis=1)) < _FAR:
        return
    largest = ", ".join(f"{value:g}" for value in boxes.max(axis=0))
    findings.add(
        "pixels",
        str(annotations.file),
        f"most of {count_of(len(boxes), 'boxes')} are beyond 1 (the largest: {largest})",
    )


@dataclass(frozen=True)
class RepairedBoxes:
    """Boxes of all objects, and what was done to them."""

    boxes: Float64[np.ndarray, "k 4"]
    keep: Bool[np.ndarray, " k"]  # those with an area inside the image
    changed: Mapping[str, Bool[np.ndarray, " k"]]  # by the kind of finding


def repair_boxes(
    boxes: Float64[np.ndarray, "k 4"], sizes: Int64[np.ndarray, "k 2"]
) -> RepairedBoxes:
    """Put corners in order and clip boxes to their images."""
    ordered = np.concatenate(
        [np.minimum(boxes[:, :2], boxes[:, 2:]), np.maximum(boxes[:, :2], boxes[:, 2:])], axis=1
    )
    inside = _clip_each(ordered, sizes)
    keep = _has_area(inside)
    clipped = keep & (np.abs(inside - ordered).max(axis=1, initial=0) > _ROUNDING)
    mostly_outside = clipped & (_share_inside(inside, ordered) < _LEAST_INSIDE)
    return RepairedBoxes(
        # A rounding error of the annotation is no reason to change the ground truth.
        boxes=np.where(clipped[:, None], inside, ordered),
        keep=keep,
        changed={
            "swapped": np.any(boxes[:, :2] > boxes[:, 2:], axis=1),
            "without-area": ~_has_area(ordered),
            "outside": _has_area(ordered) & ~keep,
            "clipped": clipped & ~mostly_outside,
            "mostly-outside": mostly_outside,
        },
    )


def _clip_each(
    boxes: Float64[np.ndarray, "n 4"], sizes: Int64[np.ndarray, "n 2"]
) -> Float64[np.ndarray, "n 4"]:
    """Clip each box to its own image, whose (height, width) is given; 0: unknown."""
    limits = np.where(sizes > 0, sizes, np.inf)
    return boxes.clip(0, limits[:, [1, 0, 1, 0]])


def _share_inside(
    inside: Float64[np.ndarray, "n 4"], boxes: Float64[np.ndarray, "n 4"]
) -> Float64[np.ndarray, " n"]:
    """Compute the share of the area of each box that is left; areas themselves may overflow."""
    left, whole = (part[:, 2:] - part[:, :2] for part in (inside, boxes))
    shares: Float64[np.ndarray, " n"] = (left / np.where(whole > 0, whole, np.inf)).prod(axis=1)
    return shares


def _has_area(boxes: Float64[np.ndarray, "n 4"]) -> Bool[np.ndarray, " n"]:
    """Mark the boxes with a width and a height above 0."""
    return np.logical_and(boxes[:, 0] < boxes[:, 2], boxes[:, 1] < boxes[:, 3])
