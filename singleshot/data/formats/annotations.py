"""The steps that formats share: from annotations to a data set, and copies of images.

Every format applies the same checks: boxes without area are dropped, boxes are clipped to the
image, and missing images are an error unless all are missing.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float64, Int, Int64

from singleshot.boxes.geometry import area
from singleshot.data.dataset import DataSet
from singleshot.data.formats.objects import AnnotatedImage, AnnotatedObject
from singleshot.data.images import image_size
from singleshot.errors import DataError
from singleshot.structures import Truth

__all__ = ["assemble", "copy_images"]

NAMED = 3  # images that a note names before "and 7 more"
_ROUNDING = 0.05  # pixels; annotations rounded to a decimal or two stick out by less


def assemble(
    class_names: Sequence[str],
    images: Sequence[AnnotatedImage],
    *,
    description: str,
    image_ids: Sequence[int] | None = None,
    category_ids: Sequence[int] | None = None,
    notes: Sequence[str] = (),
) -> DataSet:
    """Build a data set whose boxes have an area and lie inside their images.

    Boxes without area are dropped, boxes reaching beyond the image are clipped, and dropped if
    nothing remains; the notes of the data set count them and name their images.
    """
    objects = [one for image in images for one in image.objects]
    owners = np.repeat(np.arange(len(images)), [len(image.objects) for image in images])
    boxes = np.array([one.box for one in objects], dtype=np.float64).reshape(-1, 4)
    sizes = np.array([_size_of(image) for image in images], dtype=np.int64).reshape(-1, 2)
    inside = _clip_each(boxes, sizes[owners])
    flat, outside = ~_has_area(boxes), _has_area(boxes) & ~_has_area(inside)
    clipped = _has_area(inside) & (np.abs(inside - boxes).max(axis=1, initial=0) > _ROUNDING)
    remarks = (
        _note("dropped", owners[flat], images, "without area"),
        _note("dropped", owners[outside], images, "wholly outside the image"),
        _note("clipped", owners[clipped], images, "reaching beyond the image"),
    )
    # A rounding error of the annotation is no reason to change the ground truth.
    boxes = np.where(clipped[:, None], inside, boxes)
    keep = _has_area(inside)
    label_of = {name: label for label, name in enumerate(class_names)}
    return DataSet(
        class_names=tuple(class_names),
        paths=np.array([str(image.path) for image in images], dtype=np.str_),
        sizes=sizes,
        truths=_truths_of(objects, boxes, label_of)[torch.from_numpy(keep)],
        ends=torch.from_numpy(np.bincount(owners[keep], minlength=len(images)).cumsum()),
        image_ids=np.array(image_ids or range(len(images)), dtype=np.int64),
        category_ids=tuple(category_ids or range(1, len(class_names) + 1)),
        has_ids=image_ids is not None and category_ids is not None,
        description=description,
        notes=(*notes, *(text for text in remarks if text)),
    )


def copy_images(dataset: DataSet, folder: Path) -> list[Path]:
    """Copy the images of a data set into a folder; those that lie there already stay.

    Raises:
        DataError: two images have the same file name.
    """
    targets = [folder / Path(path).name for path in dataset.paths]
    if len(set(targets)) < len(targets):
        twice = next(target for target in targets if targets.count(target) > 1)
        raise DataError(f"{twice}: two images have this name; rename one")
    folder.mkdir(parents=True, exist_ok=True)
    for source, target in zip(dataset.paths, targets, strict=True):
        if not (target.exists() and target.samefile(source)):
            shutil.copyfile(source, target)
    return targets


def _clip_each(
    boxes: Float64[np.ndarray, "n 4"], sizes: Int64[np.ndarray, "n 2"]
) -> Float64[np.ndarray, "n 4"]:
    """Clip each box to its own image, whose (height, width) is given; 0: unknown."""
    limits = np.where(sizes > 0, sizes, np.inf)
    return boxes.clip(0, limits[:, [1, 0, 1, 0]])


def _size_of(image: AnnotatedImage) -> tuple[int, int]:
    """Return the annotated (height, width) unless one of the boxes contradicts it.

    Stated sizes can be wrong, or be those of a photograph before its EXIF orientation is applied.
    Only then the image is opened, because opening every image would make reading slow. (0, 0) if
    it is missing.
    """
    height, width = image.size
    stated = height > 0 and width > 0
    if stated and all(x2 <= width and y2 <= height for _, (_, _, x2, y2), *_ in image.objects):
        return height, width
    if image.path.exists():
        return image_size(image.path)
    return image.size if stated else (0, 0)


def _has_area(boxes: Float64[np.ndarray, "n 4"]) -> Bool[np.ndarray, " n"]:
    """Mark the boxes with a width and a height above 0."""
    return np.logical_and(boxes[:, 0] < boxes[:, 2], boxes[:, 1] < boxes[:, 3])


def _truths_of(
    objects: Sequence[AnnotatedObject], boxes: Float64[np.ndarray, "n 4"], label_of: dict[str, int]
) -> Truth:
    """Stack the objects into one truth, with these boxes instead of their own."""
    exact = torch.from_numpy(boxes)
    stated = torch.tensor([one.area or 0.0 for one in objects], dtype=torch.float64)
    return Truth(
        boxes=exact,
        labels=torch.tensor([label_of[one.name] for one in objects], dtype=torch.int64),
        difficult=torch.tensor([one.difficult for one in objects], dtype=torch.bool),
        crowd=torch.tensor([one.crowd for one in objects], dtype=torch.bool),
        areas=torch.where(stated > 0, stated, area(exact)),
    )


def _note(
    done: str, owners: Int[np.ndarray, " n"], images: Sequence[AnnotatedImage], why: str
) -> str:
    """Write a note such as "dropped 2 boxes without area: a, b"; empty for no box."""
    if not len(owners):
        return ""
    names = [images[owner].path.stem for owner in np.unique(owners)]
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    boxes = "1 box" if len(owners) == 1 else f"{len(owners)} boxes"
    return f"{done} {boxes} {why}: {', '.join(names[:NAMED])}{more}"
