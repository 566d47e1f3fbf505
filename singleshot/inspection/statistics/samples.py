"""Samples of each class: crops of objects chosen at random."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch

from singleshot.data.dataset import DataSet
from singleshot.data.image_files.decoding import read_image
from singleshot.errors import DataError
from singleshot.evaluation.gallery import Crop, CropPlan, Gallery, Outline, cut_crop
from singleshot.inspection.statistics.measure import ObjectArrays
from singleshot.report.images import round_box

__all__ = ["MOST_CLASSES", "sample_class"]

MOST_CLASSES = 20  # with samples
MOST_CROPS = 6
MOST_TRIES = 12  # images that may be unreadable


def sample_class(
    dataset: DataSet, objects: ObjectArrays, name: str, *, random: torch.Generator
) -> Gallery:
    """Cut out some objects of a class, of different images first; unreadable images are left out.

    `objects` are those of the class alone.
    """
    crops: list[Crop] = []
    for index in _different_images_first(objects, random):
        path = str(dataset.paths[objects.image[index]])
        try:
            pixels = read_image(Path(path), truncated="keep")
        except DataError:
            continue
        crops.append(cut_crop(_plan(objects, index), pixels, path))
        if len(crops) == MOST_CROPS:
            break
    return Gallery(name, "", len(objects), tuple(crops))


def _different_images_first(objects: ObjectArrays, random: torch.Generator) -> Iterator[int]:
    """Choose objects at random; a second one of an image only where there are few images."""
    order = torch.randperm(len(objects), generator=random).tolist()
    images: set[int] = set()
    later: list[int] = []
    tries = 0
    for index in order:
        image = int(objects.image[index])
        if image in images:
            if len(later) < MOST_CROPS:
                later.append(index)
            continue
        images.add(image)
        yield index
        tries += 1
        if tries == MOST_TRIES:
            return
    yield from later


def _plan(objects: ObjectArrays, index: int) -> CropPlan:
    """Plan the crop of one object."""
    width, height = objects.widths[index], objects.heights[index]
    return CropPlan(
        image=int(objects.image[index]),
        outlines=(Outline(round_box(objects.boxes[index]), "tp"),),
        title=f"{width:.0f} × {height:.0f}",
        detail="difficult" if objects.difficult[index] else "",
    )
