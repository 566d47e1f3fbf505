"""What every format reads from its files, and how that becomes a data set: one policy for all."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float64, Int, Int64

from singleshot.boxes.geometry import area
from singleshot.data.dataset import DataSet
from singleshot.data.images import image_size
from singleshot.errors import DataError
from singleshot.structures import Truth

__all__ = ["AnnotatedImage", "AnnotatedObject", "assemble", "finite", "refuse_missing"]

NAMED = 3  # images that a note names before it says "and 7 more"
ROUNDING = 0.05  # pixels; annotations rounded to a decimal or two stick out by less


class AnnotatedObject(NamedTuple):
    """An object as its file states it, in our box convention, not yet held against the image."""

    name: str
    box: tuple[float, float, float, float]  # xyxy, half-open, pixels of the displayed image
    difficult: bool = False
    crowd: bool = False  # as in Truth: a region
    area: float | None = None  # square pixels; None: the box's own


@dataclass(slots=True)
class AnnotatedImage:
    """An image and what its file states about it."""

    path: Path
    size: tuple[int, int]  # (height, width); (0, 0) when not stated
    objects: list[AnnotatedObject]


def finite(value: Any) -> float:
    """The number; TypeError or ValueError when it is none, infinite or not a number."""
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"{value} is not a finite number")
    return number


def assemble(
    class_names: Sequence[str],
    images: Sequence[AnnotatedImage],
    *,
    description: str,
    image_ids: Sequence[int] | None = None,
    category_ids: Sequence[int] | None = None,
    notes: Sequence[str] = (),
) -> DataSet:
    """A data set of these images, whose boxes have an area and lie inside.

    Boxes without area are dropped, boxes reaching beyond the image are clipped, and dropped if
    nothing remains; the notes of the data set say how many, and in which images.
    """
    objects = [found for image in images for found in image.objects]
    owners = np.repeat(np.arange(len(images)), [len(image.objects) for image in images])
    boxes = np.array([found.box for found in objects], dtype=np.float64).reshape(-1, 4)
    sizes = np.array([true_size(image) for image in images], dtype=np.int64).reshape(-1, 2)
    inside = clip(boxes, sizes[owners])
    flat, outside = ~has_area(boxes), has_area(boxes) & ~has_area(inside)
    clipped = has_area(inside) & (np.abs(inside - boxes).max(axis=1, initial=0) > ROUNDING)
    remarks = (
        remark("dropped", owners[flat], images, "without area"),
        remark("dropped", owners[outside], images, "wholly outside the image"),
        remark("clipped", owners[clipped], images, "reaching beyond the image"),
    )
    # A rounding error of the annotation is no reason to touch what is measured against.
    boxes = np.where(clipped[:, None], inside, boxes)
    keep = has_area(inside)
    numbers = {name: number for number, name in enumerate(class_names)}
    return DataSet(
        class_names=tuple(class_names),
        paths=np.array([str(image.path) for image in images], dtype=np.str_),
        sizes=sizes,
        truths=truths_of(objects, boxes, numbers)[torch.from_numpy(keep)],
        ends=torch.from_numpy(np.bincount(owners[keep], minlength=len(images)).cumsum()),
        image_ids=np.array(image_ids or range(len(images)), dtype=np.int64),
        category_ids=tuple(category_ids or range(1, len(class_names) + 1)),
        has_ids=image_ids is not None and category_ids is not None,
        description=description,
        notes=(*notes, *(text for text in remarks if text)),
    )


def clip(
    boxes: Float64[np.ndarray, "n 4"], sizes: Int64[np.ndarray, "n 2"]
) -> Float64[np.ndarray, "n 4"]:
    """The part of each box inside its image, whose (height, width) is given; 0: unknown."""
    limits = np.where(sizes > 0, sizes, np.inf)
    return boxes.clip(0, limits[:, [1, 0, 1, 0]])


def true_size(image: AnnotatedImage) -> tuple[int, int]:
    """(height, width): what the annotation states, unless one of its own boxes contradicts it.

    Stated sizes can be wrong, or be those of a photograph before its EXIF orientation is applied;
    the file is asked only then, because opening every image would make reading slow. (0, 0) when
    neither tells.
    """
    height, width = image.size
    stated = height > 0 and width > 0
    if stated and all(x2 <= width and y2 <= height for _, (_, _, x2, y2), *_ in image.objects):
        return height, width
    if image.path.exists():
        return image_size(image.path)
    return image.size if stated else (0, 0)


def has_area(boxes: Float64[np.ndarray, "n 4"]) -> Bool[np.ndarray, " n"]:
    """Which boxes are wider and higher than nothing."""
    return np.logical_and(boxes[:, 0] < boxes[:, 2], boxes[:, 1] < boxes[:, 3])


def truths_of(
    objects: Sequence[AnnotatedObject], boxes: Float64[np.ndarray, "n 4"], numbers: dict[str, int]
) -> Truth:
    """The objects as one truth, with these boxes instead of their own."""
    exact = torch.from_numpy(boxes)
    stated = torch.tensor([found.area or 0.0 for found in objects], dtype=torch.float64)
    return Truth(
        boxes=exact,
        labels=torch.tensor([numbers[found.name] for found in objects], dtype=torch.int64),
        difficult=torch.tensor([found.difficult for found in objects], dtype=torch.bool),
        crowd=torch.tensor([found.crowd for found in objects], dtype=torch.bool),
        areas=torch.where(stated > 0, stated, area(exact)),
    )


def remark(
    done: str, owners: Int[np.ndarray, " n"], images: Sequence[AnnotatedImage], why: str
) -> str:
    """ "dropped 2 boxes without area: a, b", or nothing when it was done to no box."""
    if not len(owners):
        return ""
    names = [images[owner].path.stem for owner in np.unique(owners)]
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    boxes = "1 box" if len(owners) == 1 else f"{len(owners)} boxes"
    return f"{done} {boxes} {why}: {', '.join(names[:NAMED])}{more}"


def refuse_missing(images: Sequence[AnnotatedImage], file: Path) -> None:
    """DataError if some of the images are not there."""
    missing = [image.path for image in images if not image.path.exists()]
    if missing:
        raise DataError(
            f"{file}: {len(missing)} of {len(images)} images are missing, the first is "
            f"{missing[0]}; restore them or remove their entries"
        )
