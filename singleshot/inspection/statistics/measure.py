"""Numbers of a data set, from its arrays: no loop over images or objects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int64

from singleshot.data.dataset import DataSet

__all__ = ["LARGE_AREA", "SMALL_AREA", "ObjectArrays", "Spread", "count_together", "coverage_map"]

SMALL_AREA, LARGE_AREA = 32.0**2, 96.0**2  # COCO: below is small, above is large
PERCENTILES = (5, 50, 95)


@dataclass(frozen=True)
class Spread:
    """Three percentiles of a quantity; None without values."""

    low: float | None  # 5 %
    median: float | None
    high: float | None  # 95 %

    @classmethod
    def of(cls, values: Float64[np.ndarray, " n"]) -> Spread:
        """Compute the percentiles."""
        if not len(values):
            return cls(None, None, None)
        return cls(*(round(float(one), 3) for one in np.percentile(values, PERCENTILES)))


@dataclass(frozen=True)
class ObjectArrays:
    """Objects of a data set, crowds left out, and the images they are in."""

    class_names: tuple[str, ...]
    image: Int64[np.ndarray, " n"]  # index of the image of each object
    label: Int64[np.ndarray, " n"]
    boxes: Float64[np.ndarray, "n 4"]
    areas: Float64[np.ndarray, " n"]  # COCO's: of the segmentation, where there is one
    difficult: Bool[np.ndarray, " n"]
    image_sizes: Int64[np.ndarray, "images 2"]  # height and width; 0 where unknown
    crowds: Int64[np.ndarray, " classes"]  # crowd regions of each class

    @classmethod
    def of(cls, dataset: DataSet) -> ObjectArrays:
        """Take the arrays of a data set."""
        truths, num_classes = dataset.truths, len(dataset.class_names)
        lengths = dataset.objects_per_image.numpy()
        owners = np.repeat(np.arange(len(dataset)), lengths)
        crowd, labels = truths.crowd.numpy(), truths.labels.numpy()
        keep = ~crowd
        return cls(
            class_names=dataset.class_names,
            image=owners[keep],
            label=labels[keep],
            boxes=truths.boxes.double().numpy()[keep],
            areas=truths.areas.double().numpy()[keep],
            difficult=truths.difficult.numpy()[keep],
            image_sizes=dataset.sizes,
            crowds=np.bincount(labels[crowd], minlength=num_classes),
        )

    def __len__(self) -> int:
        return len(self.label)

    def take(self, keep: Bool[np.ndarray, " n"] | Int64[np.ndarray, " m"]) -> ObjectArrays:
        """Select objects; the images stay."""
        return ObjectArrays(
            class_names=self.class_names,
            image=self.image[keep],
            label=self.label[keep],
            boxes=self.boxes[keep],
            areas=self.areas[keep],
            difficult=self.difficult[keep],
            image_sizes=self.image_sizes,
            crowds=self.crowds,
        )

    def of_each_class(self) -> list[ObjectArrays]:
        """Split the objects by class, in the order of the class names."""
        order = np.argsort(self.label, kind="stable")
        ends = np.searchsorted(self.label[order], np.arange(1, len(self.class_names)))
        return [self.take(part) for part in np.split(order, ends)][: len(self.class_names)]

    @property
    def widths(self) -> Float64[np.ndarray, " n"]:
        """Widths of the boxes in pixels."""
        values: np.ndarray = np.subtract(self.boxes[:, 2], self.boxes[:, 0])
        return values

    @property
    def heights(self) -> Float64[np.ndarray, " n"]:
        """Heights of the boxes in pixels."""
        values: np.ndarray = np.subtract(self.boxes[:, 3], self.boxes[:, 1])
        return values

    @property
    def lengths(self) -> Float64[np.ndarray, " n"]:
        """Sizes of the boxes: the side of a square of the same area, in pixels."""
        values: np.ndarray = np.sqrt(self.widths * self.heights)
        return values

    @property
    def aspect_ratios(self) -> Float64[np.ndarray, " n"]:
        """Width by height of the boxes."""
        values: np.ndarray = np.divide(self.widths, self.heights)
        return values

    @property
    def in_known_images(self) -> ObjectArrays:
        """Objects of images whose size is known."""
        return self.take((self.image_sizes[self.image] > 0).all(axis=1))

    def boxes_unit(self) -> Float64[np.ndarray, "n 4"]:
        """Return the boxes as fractions of their images, whose sizes have to be known."""
        sizes = self.image_sizes[self.image].astype(np.float64)
        values: np.ndarray = np.clip(self.boxes / sizes[:, [1, 0, 1, 0]], 0, 1)
        return values

    def shares_of_image(self) -> Float64[np.ndarray, " m"]:
        """Return sizes as fractions of the image's, of objects whose image has a known size."""
        known = self.in_known_images
        values: np.ndarray = known.lengths / np.sqrt(known.image_sizes[known.image].prod(axis=1))
        return values

    def coco_sizes(self) -> dict[str, int]:
        """Count small, medium and large objects by COCO's areas."""
        small, large = int((self.areas < SMALL_AREA).sum()), int((self.areas > LARGE_AREA).sum())
        return {"small": small, "medium": len(self) - small - large, "large": large}

    def counts_of_images(self) -> Int64[np.ndarray, " images"]:
        """Count the objects of each image."""
        return np.bincount(self.image, minlength=len(self.image_sizes)).astype(np.int64)

    def images_of_class(self) -> Int64[np.ndarray, " classes"]:
        """Count the images with an object of each class."""
        number = max(len(self.class_names), 1)
        pairs = np.unique(self.image * number + self.label)
        return np.bincount(pairs % number, minlength=len(self.class_names))


def count_together(
    objects: ObjectArrays, classes: Int64[np.ndarray, " k"]
) -> Int64[np.ndarray, "k k"]:
    """Count the images that have both of two classes; on the diagonal, those with one class."""
    column = np.full(len(objects.class_names), -1)
    column[classes] = np.arange(len(classes))
    chosen = column[objects.label] >= 0
    holds = np.zeros((len(objects.image_sizes), len(classes)), dtype=np.float32)
    holds[objects.image[chosen], column[objects.label[chosen]]] = 1
    counts: np.ndarray = np.rint(holds.T @ holds).astype(np.int64)
    return counts


def coverage_map(boxes_unit: Float64[np.ndarray, "n 4"], side: int) -> Int64[np.ndarray, "s s"]:
    """Count the boxes that cover the centre of each cell of a grid over the image."""
    steps = np.zeros((side + 1, side + 1), dtype=np.int64)
    # Cells whose centre is in the box: from `low` to before `high`.
    low = np.ceil(boxes_unit[:, :2] * side - 0.5).astype(np.int64).clip(0, side)
    high = np.ceil(boxes_unit[:, 2:] * side - 0.5).astype(np.int64).clip(0, side)
    for xs, ys, step in (
        (low[:, 0], low[:, 1], 1),
        (high[:, 0], low[:, 1], -1),
        (low[:, 0], high[:, 1], -1),
        (high[:, 0], high[:, 1], 1),
    ):
        np.add.at(steps, (ys, xs), step)
    return steps.cumsum(axis=0).cumsum(axis=1)[:side, :side]


def centre_map(boxes_unit: Float64[np.ndarray, "n 4"], side: int) -> Int64[np.ndarray, "s s"]:
    """Count the centres of boxes in each cell of a grid over the image."""
    centres = (boxes_unit[:, :2] + boxes_unit[:, 2:]) / 2
    cells = (centres * side).astype(np.int64).clip(0, side - 1)
    counts = np.bincount(cells[:, 1] * side + cells[:, 0], minlength=side * side)
    return counts.reshape(side, side)


def split_counts(
    objects: ObjectArrays, members: Mapping[str, Bool[np.ndarray, " images"]]
) -> dict[str, tuple[int, Int64[np.ndarray, " classes"]]]:
    """Count the images of each split, and its objects by class."""
    return {
        name: (
            int(inside.sum()),
            np.bincount(objects.label[inside[objects.image]], minlength=len(objects.class_names)),
        )
        for name, inside in members.items()
    }
