"""Facts that `train auto` chooses by: shapes of images; number, sizes and shapes of objects.

No image is decoded. Of a large data set a few thousand images, drawn evenly, stand for all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from statistics import median_low

import numpy as np
from jaxtyping import Float64, Int64

from singleshot.auto import constants
from singleshot.data.dataset import DataSet
from singleshot.data.input_objects import image_sizes, objects_in_input
from singleshot.data.repeats import images_per_class

__all__ = ["DataFacts"]


@dataclass(frozen=True, eq=False)
class DataFacts:
    """Facts of the training images, and how many there are to validate on.

    Sides of objects are √area as a part of √(area of the image), ratios are width / height as in a
    square image.
    """

    num_images: int
    num_empty: int  # images without objects
    objects_per_class: Mapping[str, int]  # objects of each class; no crowds
    image_sizes: Int64[np.ndarray, "images 2"]  # (height, width) of those that were looked at
    boxes: Float64[np.ndarray, "n 4"]  # of the objects in these images, as parts of both sides
    weights: Float64[np.ndarray, " n"]  # their sum is 1
    images_per_class: Mapping[str, int] = field(default_factory=dict)  # an object of each class
    most_objects: int = 0  # of an image, but for one in a hundred
    num_validation: int = 0  # images
    num_validation_objects: int = 0

    @classmethod
    def of(cls, train: DataSet, validation: DataSet | None = None) -> DataFacts:
        """Look at a data set.

        Raises DataError, naming the file, for an image that is missing or is none.
        """
        looked_at = _draw_evenly(train)
        sizes = image_sizes(looked_at)
        objects = objects_in_input(looked_at, sizes, (1, 1))
        ordinary = ~train.truths.crowd
        per_image = train.objects_per_image.numpy()
        counts = np.bincount(
            train.truths.labels[ordinary].numpy(), minlength=len(train.class_names)
        )
        return cls(
            num_images=len(train),
            num_empty=int((per_image == 0).sum()),
            objects_per_class=dict(zip(train.class_names, counts.tolist(), strict=True)),
            image_sizes=sizes,
            boxes=objects.boxes.double().numpy(),
            weights=_class_weights(objects.labels.numpy(), counts),
            images_per_class=dict(
                zip(train.class_names, images_per_class(train).tolist(), strict=True)
            ),
            most_objects=int(np.quantile(per_image, 0.99, method="lower")),
            num_validation=0 if validation is None else len(validation),
            num_validation_objects=0
            if validation is None
            else int((~validation.truths.crowd).sum()),
        )

    @property
    def num_objects(self) -> int:
        """Objects of all classes."""
        return sum(self.objects_per_class.values())

    @property
    def num_looked_at(self) -> int:
        """Images whose sizes and objects were looked at."""
        return len(self.image_sizes)

    @property
    def images_of_middle_class(self) -> int:
        """Images with an object of the middle class, of those that have any; 0 without objects."""
        return median_low([number for number in self.images_per_class.values() if number] or [0])

    @cached_property
    def sides(self) -> Float64[np.ndarray, " n"]:
        """√area of each object."""
        roots: Float64[np.ndarray, " n"] = np.sqrt((self.boxes[:, 2:] - self.boxes[:, :2]).prod(1))
        return roots

    @cached_property
    def ratios(self) -> Float64[np.ndarray, " n"]:
        """Width / height of each object."""
        width, height = (self.boxes[:, 2:] - self.boxes[:, :2]).T
        shapes: Float64[np.ndarray, " n"] = width / height
        return shapes

    @cached_property
    def median_size(self) -> tuple[int, int]:
        """Median (height, width) of the images."""
        height, width = np.median(self.image_sizes, axis=0).round().astype(int).tolist()
        return height, width

    @cached_property
    def median_ratio(self) -> float:
        """Median width / height of the images."""
        return float(np.median(self.image_sizes[:, 1] / self.image_sizes[:, 0]))

    @cached_property
    def ratio_range(self) -> tuple[float, float]:
        """Width / height that a tenth of the images is below, and a tenth above."""
        ratios = self.image_sizes[:, 1] / self.image_sizes[:, 0]
        low, high = np.quantile(ratios, [0.1, 0.9]).tolist()
        return low, high

    @cached_property
    def image_pixels(self) -> float:
        """Median number of pixels of an image."""
        return float(np.median(self.image_sizes.prod(axis=1)))

    def side_at(self, part: float) -> float:
        """Return the side that this part of the objects, weighted by class, is below."""
        return self._quantile(self.sides, part)

    @cached_property
    def median_object_ratio(self) -> float:
        """Median width / height of the objects as in a square image, weighted by class."""
        return self._quantile(self.ratios, 0.5)

    def _quantile(self, values: Float64[np.ndarray, " n"], part: float) -> float:
        """Find the value that this part of the objects, weighted by class, is below; 1 of none."""
        if not len(values):
            return 1.0
        order = np.argsort(values, kind="stable")
        reached = np.cumsum(self.weights[order])
        return float(values[order[min(int(np.searchsorted(reached, part)), len(order) - 1)]])

    def part_below(self, side: float) -> float:
        """Return the part of the objects, weighted by class, that is smaller than a side."""
        return float(self.weights[self.sides < side].sum())

    def part_longer(self, ratio: float, input: tuple[int, int]) -> float:
        """Return the part of the objects that are longer than this ratio, in width or in height.

        `input` is the (height, width) that images are resized to.
        """
        logarithms = np.abs(np.log(self.ratios * input[1] / input[0]))
        return float(self.weights[logarithms > np.log(ratio)].sum())

    def describe(self) -> str:
        """Describe the data in a sentence."""
        height, width = self.median_size
        counts = sorted(self.objects_per_class.items(), key=lambda pair: -pair[1])
        several = len(counts) > 1
        by_class = ", ".join(f"{name} {count:,}" for name, count in counts[:5])
        more = f" and {len(counts) - 5} more" if len(counts) > 5 else ""
        classes = f" of {len(counts)} classes ({by_class}{more})" if several else ""
        empty = f", {self.num_empty:,} without objects," if self.num_empty else ""
        low, middle, high = (
            self.side_at(part) for part in (constants.SMALL_PART, 0.5, constants.LARGE_PART)
        )
        looked = (
            f" ({self.num_looked_at:,} looked at)" if self.num_looked_at < self.num_images else ""
        )
        weighed = "weighing rare classes more, " if several else ""
        return (
            f"{self.num_images:,} images{looked}{empty} of {width} x {height} in the median, "
            f"{self.num_objects:,} objects{classes}; {weighed}half of them are below "
            f"{middle:.0%} of the image's side (√area), a tenth below {low:.1%}, a twentieth above "
            f"{high:.0%}"
        )


def _draw_evenly(dataset: DataSet) -> DataSet:
    """Draw images with objects from all over a data set; of a small one, take all."""
    if len(dataset) <= constants.MOST_LOOKED_AT:
        return dataset
    lengths = dataset.objects_per_image.numpy()
    with_objects = np.flatnonzero(lengths)
    number = min(len(with_objects), constants.MOST_LOOKED_AT)
    places = np.linspace(0, len(with_objects) - 1, number).astype(np.int64)
    return dataset.subset(with_objects[places].tolist(), description=dataset.description)


def _class_weights(
    labels: Int64[np.ndarray, " n"], counts: Int64[np.ndarray, " classes"]
) -> Float64[np.ndarray, " n"]:
    """Weigh each object by the number of objects of its class; the sum is 1."""
    weights = counts[labels].astype(np.float64) ** constants.CLASS_EXPONENT
    shares: Float64[np.ndarray, " n"] = weights / max(weights.sum(), 1e-12)
    return shares
