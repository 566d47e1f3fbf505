"""Setting images aside so that every class is on both sides."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool

from singleshot.data.dataset import DataSet

__all__ = ["SplitIndices", "stratified_split"]


class SplitIndices(NamedTuple):
    """Indices of images, each in exactly one of the two, in ascending order."""

    kept: list[int]
    aside: list[int]


def stratified_split(dataset: DataSet, fraction: float, *, seed: int) -> SplitIndices:
    """Set this fraction of the images aside, and of the images of each class.

    A class in two images or more is on both sides wherever that is possible; one in a single
    image is kept. Images without objects count as a class of their own. The result depends on
    the seed and the images' names alone, not on the order in which they were read.

    This is iterative stratification (Sechidis et al. 2011, "On the stratification of multi-label
    data"): the rarest class chooses first, each image goes where its class is needed most.
    """
    order = shuffled(dataset, seed)
    holds = classes_of_images(dataset)[order]
    aside = choose_aside(holds, fraction)
    return SplitIndices(kept=sorted(order[~aside].tolist()), aside=sorted(order[aside].tolist()))


def shuffled(dataset: DataSet, seed: int) -> np.ndarray:
    """Indices of the images in a random order that starts from their names."""
    random = torch.Generator().manual_seed(seed)
    shuffle = torch.randperm(len(dataset), generator=random).numpy()
    by_name = np.argsort(dataset.paths, kind="stable")
    return np.take(by_name, shuffle)


def classes_of_images(dataset: DataSet) -> Bool[np.ndarray, "images classes_and_none"]:
    """Which classes each image holds; the last column marks images without objects."""
    num_classes = len(dataset.class_names)
    lengths = dataset.ends.diff(prepend=dataset.ends.new_zeros(1)).numpy()
    holds = np.zeros((len(dataset), num_classes + 1), dtype=bool)
    holds[np.repeat(np.arange(len(dataset)), lengths), dataset.truths.labels.numpy()] = True
    holds[lengths == 0, num_classes] = True
    return holds


def choose_aside(
    holds: Bool[np.ndarray, "images classes"], fraction: float
) -> Bool[np.ndarray, " images"]:
    """Deal the images out, those of the rarest class first."""
    total = holds.sum(axis=0)
    # Where there are two images, at least one aside and one kept.
    aside = np.round(total * fraction).clip(np.minimum(total - 1, 1), total - 1).clip(0)
    wanted = np.stack([total - aside, aside])  # images of each class that each side still wants
    is_aside = np.zeros(len(holds), dtype=bool)
    left = np.ones(len(holds), dtype=bool)
    while left.any():
        remaining = holds[left].sum(axis=0)
        rarest = np.where(remaining > 0, remaining, len(holds) + 1).argmin()
        for image in np.flatnonzero(left & holds[:, rarest]):
            held = holds[image]
            kept_need, aside_need = zip(wanted[:, rarest], wanted[:, held].sum(axis=1), strict=True)
            is_aside[image] = aside_need > kept_need
            wanted[int(is_aside[image]), held] -= 1
            left[image] = False
    return is_aside
