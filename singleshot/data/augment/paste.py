"""Copy-paste: objects of rare classes in further images (Ghiasi et al. 2021, "Simple Copy-Paste").

The paper cuts objects out along their masks. Here there are boxes: the rectangle of an object is
pasted at its own size, in pixels, and a border of its surroundings fades into the other image, so
that no edge gives it away. It takes a place where neither it nor another object is covered much.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float32, Int64, UInt8

from singleshot.data.augment.settings import AugmentationSettings
from singleshot.data.augment.view import draw_index
from singleshot.data.dataset import DataSet, concatenate
from singleshot.data.repeats import images_per_class
from singleshot.errors import some_of
from singleshot.structures import Sample, Truth

__all__ = ["Paste", "RareObjects", "describe_paste"]

MOST_OBJECTS = 3  # of one image in another
TRIALS = 20  # of places for an object
MOST_SHARED = 0.2  # of the smaller of two boxes
BORDER = 0.15  # that fades, of the shorter side of the object …
LEAST_BORDER = 2  # … or pixels
LEAST_SIDE = 2  # pixels of an object

Box = Float32[np.ndarray, " 4"]
Boxes = Float32[np.ndarray, "n 4"]


@dataclass(frozen=True, eq=False)
class RareObjects:
    """The images with objects of each rare class; an image is there once for each object."""

    images: Int64[np.ndarray, " objects"]  # class by class
    ends: Int64[np.ndarray, " classes"]  # where each class ends in them
    is_rare: Bool[np.ndarray, " labels"]

    @classmethod
    def of(cls, dataset: DataSet, share: float) -> RareObjects | None:
        """Find the objects of classes in less than a share of the images; None without any."""
        is_rare = rare_classes(images_per_class(dataset), share, len(dataset))
        truths = dataset.truths
        lengths = dataset.objects_per_image.numpy()
        labels = truths.labels.numpy()
        taken = is_rare[labels] & ~(truths.crowd | truths.difficult).numpy()
        images = np.repeat(np.arange(len(dataset)), lengths)[taken]
        order = np.argsort(labels[taken], kind="stable")
        _, of_classes = np.unique(labels[taken], return_counts=True)
        return cls(images[order], of_classes.cumsum(), is_rare) if len(images) else None

    def draw_image(self, random: torch.Generator) -> int:
        """Draw a class, each as often, then an image by one of its objects."""
        label = draw_index(len(self.ends), random)
        start = int(self.ends[label - 1]) if label else 0
        return int(self.images[start + draw_index(int(self.ends[label]) - start, random)])


@dataclass(frozen=True)
class Paste:
    """Pastes objects of rare classes from one image into another."""

    probability: float
    objects: RareObjects

    @classmethod
    def of(cls, settings: AugmentationSettings, dataset: DataSet) -> Paste | None:
        """Build it by a recipe; None where it is off, or no class is rare."""
        if not settings.paste:
            return None
        objects = RareObjects.of(dataset, settings.paste_share)
        return None if objects is None else cls(settings.paste, objects)

    def __call__(self, sample: Sample, donor: Sample, random: torch.Generator) -> Sample:
        """Paste up to three objects of the donor where there is room; else the sample stays."""
        candidates = self.candidates(donor.truth)
        shuffled = candidates[torch.randperm(len(candidates), generator=random)]
        image, truth = sample.image, sample.truth
        for number in shuffled[:MOST_OBJECTS].tolist():
            pasted = donor.truth[number : number + 1]
            box = pasted.boxes.numpy()[0]
            size = image.shape[-2], image.shape[-1]
            offset = find_place(box, size, truth.boxes.numpy(), random)
            if offset is None:
                continue
            if image is sample.image:
                image = image.clone()  # which may be in a cache
            blend(image.numpy(), donor.image.numpy(), box, offset)
            moved = pasted.boxes + pasted.boxes.new_tensor([*offset, *offset])
            truth = concatenate([truth, replace(pasted, boxes=moved)])
        if image is sample.image:
            return sample
        return Sample(image, truth, f"{sample.name} + {donor.name}")

    def candidates(self, truth: Truth) -> Int64[torch.Tensor, " k"]:
        """Find the objects to paste: of rare classes, and hardly covered by others."""
        boxes = truth.boxes.numpy()
        rare = torch.from_numpy(self.objects.is_rare)[truth.labels]
        plain = (rare & ~truth.crowd & ~truth.difficult).numpy()
        large = (boxes[:, 2:] - boxes[:, :2] >= LEAST_SIDE).all(axis=1)
        shared = np.array([shared_parts(box, boxes) for box in boxes]).reshape(len(boxes), -1)
        np.fill_diagonal(shared, 0)
        alone = shared.max(axis=1, initial=0) <= MOST_SHARED
        return torch.from_numpy(np.flatnonzero(plain & large & alone))


def describe_paste(settings: AugmentationSettings, dataset: DataSet) -> str:
    """Describe which classes are pasted, and how many images have them."""
    counts = images_per_class(dataset)
    rare = np.flatnonzero(rare_classes(counts, settings.paste_share, len(dataset)))
    named = [f"{dataset.class_names[label]} (in {counts[label]})" for label in rare]
    setting = f"augmentation.paste = {settings.paste:g}"
    share = f"less than {settings.paste_share:.0%} of {len(dataset)} images"
    if not named:
        return f"{setting}: no class is in {share}, so nothing is pasted"
    return f"{setting}: objects of classes in {share} are pasted: {some_of(named)}"


def rare_classes(
    counts: Int64[np.ndarray, " labels"], share: float, num_images: int
) -> Bool[np.ndarray, " labels"]:
    """Mark the classes that are in some images, but in less than a share of them."""
    return np.asarray((counts > 0) & (counts < share * num_images))


def shared_parts(box: Box, others: Boxes) -> Float32[np.ndarray, " n"]:
    """Compute the area that a box shares with each other, as a part of the smaller of both."""
    sides = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
    areas = np.prod(others[:, 2:] - others[:, :2], axis=1)
    smaller = np.minimum(areas, np.prod(box[2:] - box[:2]))
    shared = np.prod(np.maximum(sides, 0), axis=1) / np.maximum(smaller, 1e-6)
    return np.asarray(shared, dtype=np.float32)


def find_place(
    box: Box, size: tuple[int, int], occupied: Boxes, random: torch.Generator
) -> tuple[int, int] | None:
    """Draw where a box goes in an image of this (height, width), as whole pixels to move it by.

    None where it is larger than the image, or no place is free in twenty trials.
    """
    left, top, right, bottom = whole_pixels(box)
    across, down = size[1] - (right - left), size[0] - (bottom - top)
    if across < 0 or down < 0:
        return None
    for _ in range(TRIALS):
        x, y = draw_index(across + 1, random) - left, draw_index(down + 1, random) - top
        moved = box + np.array([x, y, x, y], dtype=np.float32)
        if shared_parts(moved, occupied).max(initial=0) <= MOST_SHARED:
            return x, y
    return None


def blend(
    image: UInt8[np.ndarray, "3 h w"],
    donor: UInt8[np.ndarray, "3 rows columns"],
    box: Box,
    offset: tuple[int, int],
) -> None:
    """Draw the pixels of a box, moved by an offset, into an image, with a border that fades."""
    spans, weights = [], []
    left, top, right, bottom = whole_pixels(box)
    border = max(round(BORDER * min(right - left, bottom - top)), LEAST_BORDER)
    for axis, (first, end) in enumerate(((top, bottom), (left, right))):
        by = offset[1 - axis]
        start = max(first - border, 0, -by)
        stop = min(end + border, donor.shape[1 + axis], image.shape[1 + axis] - by)
        place = np.arange(start, stop)
        outside = np.maximum(np.maximum(first - place, place - end + 1), 0)
        weights.append(1 - outside / (border + 1))
        spans.append((slice(start, stop), slice(start + by, stop + by)))
    (rows, to_rows), (columns, to_columns) = spans
    weight = weights[0][:, None] * weights[1]
    under = image[:, to_rows, to_columns]
    mixed = weight * donor[:, rows, columns] + (1 - weight) * under
    image[:, to_rows, to_columns] = np.rint(mixed).astype(np.uint8)


def whole_pixels(box: Box) -> tuple[int, int, int, int]:
    """Return the pixels that a box covers, those in part included: left, top, right, bottom."""
    left, top, right, bottom = box.tolist()
    return math.floor(left), math.floor(top), math.ceil(right), math.ceil(bottom)
