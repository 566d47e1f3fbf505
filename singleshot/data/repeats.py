"""Repeat-factor sampling: images of rare classes are drawn more often.

As in Gupta, Dollar and Girshick 2019, "LVIS", appendix B: a class in the share f of the images has
the factor max(1, sqrt(t / f)), an image the largest of its classes' factors. In each round an image
comes as often as its factor, rounded at random so that this is its mean, and a round is shuffled.
Rounds follow each other without a gap; an epoch remains as many images as there are, so that a
round is longer than one.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float64, Int64

from singleshot.data.dataset import DataSet
from singleshot.data.shuffling import ShardWindow
from singleshot.errors import some_of

__all__ = [
    "Repeats",
    "Round",
    "class_factors",
    "describe_repeats",
    "image_factors",
    "images_per_class",
]

_ROUNDING = 1  # what a generator is for: that of the order has no such key


class Round(NamedTuple):
    """The images of one round in their order; copies of an image are numbered from 0."""

    images: Int64[np.ndarray, " draws"]
    copies: Int64[np.ndarray, " draws"]


@dataclass(frozen=True, eq=False)
class Repeats:
    """Repeat factors of the images, and the positions of the training where rounds start."""

    factors: Float64[np.ndarray, " images"]
    seed: int
    starts: list[int] = field(default_factory=lambda: [0])  # of the rounds so far; it grows

    @classmethod
    def of(cls, dataset: DataSet, threshold: float, seed: int) -> Repeats | None:
        """Compute the factors of a data set; None where no image is repeated."""
        if not threshold:
            return None
        of_classes = class_factors(images_per_class(dataset), len(dataset), threshold)
        factors = image_factors(dataset, of_classes)
        return cls(factors, seed) if (factors > 1).any() else None

    def counts(self, number: int) -> Int64[np.ndarray, " images"]:
        """Round the factors at random: how often each image comes in a round."""
        mixed = np.random.SeedSequence([self.seed, number], spawn_key=(_ROUNDING,))
        whole = np.floor(self.factors)
        chance = np.random.default_rng(mixed).random(len(self.factors))
        rounded: Int64[np.ndarray, " images"] = (whole + (chance < self.factors - whole)).astype(
            int
        )
        return rounded

    def locate(self, position: int) -> tuple[int, int]:
        """Return the round of a position, counted over the training, and the place in it."""
        while self.starts[-1] <= position:
            length = int(self.counts(len(self.starts) - 1).sum())
            self.starts.append(self.starts[-1] + length)
        number = bisect_right(self.starts, position) - 1
        return number, position - self.starts[number]

    def round(self, number: int, window: ShardWindow | None) -> Round:
        """Order the images of a round: all shuffled, or within a window of shards."""
        counts = self.counts(number)
        images = np.repeat(np.arange(len(counts)), counts)
        copies = np.arange(len(images)) - np.repeat(counts.cumsum() - counts, counts)
        if window is None:
            order = np.random.default_rng([self.seed, number]).permutation(len(images))
        else:
            order = window.permutation(self.seed, number, images)
        return Round(images[order], copies[order])

    def draw_index(self, random: torch.Generator) -> int:
        """Draw an image, each as often as its factor: one to be combined with another."""
        drawn = float(torch.rand((), generator=random, dtype=torch.float64)) * self._ends[-1]
        return min(int(np.searchsorted(self._ends, drawn, side="right")), len(self._ends) - 1)

    @cached_property
    def _ends(self) -> Float64[np.ndarray, " images"]:
        """Sums of the factors of all images up to each."""
        return self.factors.cumsum()


def describe_repeats(dataset: DataSet, threshold: float) -> str:
    """Describe how often images of rare classes are drawn, those with the largest factor first."""
    counts = images_per_class(dataset)
    factors = class_factors(counts, len(dataset), threshold)
    rare = [label for label in np.argsort(-factors, kind="stable") if factors[label] > 1]
    setting = f"training.repeat_threshold = {threshold:g}"
    if not rare:
        return f"{setting}: each class is in a larger share of the images, so none is drawn more"
    length = image_factors(dataset, factors).mean()
    named = [
        f"{dataset.class_names[label]} (in {counts[label]}) {factors[label]:.2f} times"
        for label in rare
    ]
    return (
        f"{setting}: of {len(dataset)} images, those of rare classes are drawn more often than "
        f"others: {some_of(named)}; all of them take {length:.2f} epochs instead of one"
    )


def images_per_class(dataset: DataSet) -> Int64[np.ndarray, " classes"]:
    """Count the images that have an object of each class, crowds left out."""
    images, labels = _objects(dataset)
    number = len(dataset.class_names)
    # An image counts once; a dense table would take a gigabyte for a million of 1,000 classes.
    pairs = np.sort(images * number + labels)  # 80 times as fast as NumPy's `unique`
    once = pairs[np.diff(pairs, prepend=-1) > 0]
    return np.bincount(once % max(number, 1), minlength=number).astype(np.int64)


def class_factors(
    counts: Int64[np.ndarray, " classes"], num_images: int, threshold: float
) -> Float64[np.ndarray, " classes"]:
    """Compute the repeat factor of each class from its images; 1 for a class in none."""
    rarity = threshold * num_images / np.where(counts > 0, counts, np.inf)
    return np.asarray(np.maximum(1.0, np.sqrt(rarity)))


def image_factors(
    dataset: DataSet, factors: Float64[np.ndarray, " classes"]
) -> Float64[np.ndarray, " images"]:
    """Return the largest factor of the classes in each image; 1 without objects."""
    of_images = np.ones(len(dataset))
    images, labels = _objects(dataset)
    np.maximum.at(of_images, images, factors[labels])
    return of_images


def _objects(
    dataset: DataSet,
) -> tuple[Int64[np.ndarray, " objects"], Int64[np.ndarray, " objects"]]:
    """Return image and label of each object that is trained on."""
    lengths = dataset.objects_per_image.numpy()
    trained = ~dataset.truths.crowd.numpy()
    images = np.repeat(np.arange(len(dataset)), lengths)[trained]
    return images, dataset.truths.labels.numpy()[trained]
