"""Stratification: parts of a data set with about the same share of each class.

This is iterative stratification (Sechidis et al. 2011, "On the stratification of multi-label
data"): the rarest class is dealt out first, each image goes where its class is missing most. With
groups, whole groups are dealt out, those with most images of the class first.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float64, Int64

from singleshot.data.dataset import DataSet
from singleshot.errors import DataError

__all__ = [
    "SplitIndices",
    "classes_of_images",
    "stratified_parts",
    "stratified_split",
    "stratified_subset",
]

MOST_ASIDE = 1.5  # times as many as a fraction, where that takes an image of every class


class SplitIndices(NamedTuple):
    """Indices of images, each in exactly one of the two, in ascending order."""

    kept: list[int]
    aside: list[int]


def stratified_split(dataset: DataSet, fraction: float, *, seed: int) -> SplitIndices:
    """Set this fraction of the images aside, and of the images of each class.

    A class in two images or more is on both sides, for which up to half as many images more are
    set aside; where that is not enough, exactly this fraction is, with as many classes as it takes
    without a search. A class in a single image is kept. Images without objects count as a class of
    their own. The result depends on the seed and the images' names alone, not on the order in which
    they were read.
    """
    order = _shuffle(dataset, seed)
    holds = classes_of_images(dataset)[order]
    aside = _choose_aside(holds, fraction)
    number = max(round(fraction * len(holds)), 1)
    if aside.sum() > math.ceil(MOST_ASIDE * number):
        aside = _reduced(aside, holds, number)
    return SplitIndices(kept=sorted(order[~aside].tolist()), aside=sorted(order[aside].tolist()))


def stratified_parts(
    dataset: DataSet,
    fractions: Mapping[str, float],
    *,
    seed: int,
    groups: Int64[np.ndarray, " n"] | None = None,
) -> dict[str, list[int]]:
    """Cut a data set into parts with these fractions of the images, and of those of each class.

    Images with the same number in `groups` get into the same part. A class that is in as many
    groups as there are parts is in every part, for which a part may have up to half as many images
    more. No part is empty. The result depends on the seed, the groups and the images' names alone.

    Returns:
        The indices of the images of each part, in ascending order.

    Raises:
        DataError: there are fewer groups than parts.
    """
    order = _shuffle(dataset, seed)
    groups = np.arange(len(dataset)) if groups is None else groups
    # Numbers of the groups in the order of their first image.
    _, first, group = np.unique(groups[order], return_index=True, return_inverse=True)
    group = first.argsort().argsort()[group]
    if len(first) < len(fractions):
        raise DataError(
            f"{dataset.description}: {len(dataset)} images in {len(first)} groups cannot be split "
            f"into {len(fractions)} parts; use fewer parts, or smaller groups"
        )
    content = _Content.of(dataset, order, group)
    shares = np.array(list(fractions.values()), dtype=np.float64)
    part = _deal_out(content, shares, every_class=True)
    if _excess(part, content, shares) > MOST_ASIDE:
        plain = _deal_out(content, shares, every_class=False)
        part = min((part, plain), key=lambda one: _excess(one, content, shares))
    part = _without_empty(part, content, len(shares))
    return {
        name: np.sort(order[part[group] == number]).tolist()
        for number, name in enumerate(fractions)
    }


def stratified_subset(dataset: DataSet, number: int, *, seed: int) -> list[int]:
    """Choose this number of images, with as much of each class, and of as many classes as it can.

    Raises:
        DataError: the data set has fewer images.
    """
    if number > len(dataset):
        raise DataError(
            f"{dataset.description}: has {len(dataset)} images, fewer than the {number} to choose"
        )
    if number == len(dataset):
        return list(range(number))
    share = number / len(dataset)
    parts = stratified_parts(dataset, {"chosen": share, "rest": 1 - share}, seed=seed)
    order = _shuffle(dataset, seed)
    chosen = np.zeros(len(dataset), dtype=bool)
    chosen[parts["chosen"]] = True
    holds = classes_of_images(dataset)
    for label in np.flatnonzero(~holds[chosen].any(axis=0) & holds.any(axis=0)):
        if not holds[chosen, label].any():
            chosen[order[holds[order, label].argmax()]] = True
    chosen[order[~chosen[order]][: max(number - chosen.sum(), 0)]] = True
    counts = holds[chosen].sum(axis=0)
    for least in (2, 1):  # first without losing a class
        for image in order[chosen[order]][::-1]:
            if chosen.sum() == number:
                break
            if (counts[holds[image]] >= least).all():
                chosen[image] = False
                counts -= holds[image]
    return [int(index) for index in np.flatnonzero(chosen)]


@dataclass(frozen=True)
class _Content:
    """Classes of each group, as triples: group, class and number of images, sorted by group.

    A dense table would take a gigabyte for 100,000 images of 1,000 classes.
    """

    groups: Int64[np.ndarray, " triples"]
    labels: Int64[np.ndarray, " triples"]  # the last class: images without objects
    counts: Int64[np.ndarray, " triples"]
    images: Int64[np.ndarray, " groups"]  # images of each group

    @classmethod
    def of(
        cls, dataset: DataSet, order: Int64[np.ndarray, " n"], group: Int64[np.ndarray, " n"]
    ) -> _Content:
        """Count the images of each class in each group; `group` is in the given order."""
        num_labels = len(dataset.class_names) + 1
        group_of_image = np.empty(len(order), dtype=np.int64)
        group_of_image[order] = group
        lengths = dataset.objects_per_image.numpy()
        owners = np.repeat(np.arange(len(dataset)), lengths)
        empty = np.flatnonzero(lengths == 0)
        images = np.concatenate([owners, empty])
        labels = np.concatenate(
            [dataset.truths.labels.numpy(), np.full(len(empty), num_labels - 1)]
        )
        once = np.unique(images * num_labels + labels)  # an image counts once for a class
        pairs, counts = np.unique(
            group_of_image[once // num_labels] * num_labels + once % num_labels, return_counts=True
        )
        return cls(
            groups=pairs // num_labels,
            labels=pairs % num_labels,
            counts=counts.astype(np.int64),
            images=np.bincount(group, minlength=1).astype(np.int64),
        )

    def total(self) -> Int64[np.ndarray, " labels"]:
        """Count the images of each class."""
        total = np.zeros(int(self.labels.max(initial=-1)) + 1, dtype=np.int64)
        np.add.at(total, self.labels, self.counts)
        return total


def _deal_out(
    content: _Content, shares: Float64[np.ndarray, " parts"], *, every_class: bool
) -> Int64[np.ndarray, " groups"]:
    """Choose the part of each group, dealing out those with the rarest class first."""
    missing = _images_to_give(content, shares, every_class=every_class)
    missing_images = shares * content.images.sum()
    left = content.total()
    part = np.full(len(content.images), -1)
    starts = np.searchsorted(content.groups, np.arange(len(part) + 1))
    by_label = np.lexsort((content.groups, -content.counts, content.labels))
    ends = np.searchsorted(content.labels[by_label], np.arange(len(left) + 1))
    while (left > 0).any():
        rarest = np.where(left > 0, left, left.max() + 1).argmin()
        triples = by_label[ends[rarest] : ends[rarest + 1]]
        for group, count in zip(content.groups[triples], content.counts[triples], strict=True):
            if part[group] >= 0:
                continue
            need = missing[:, rarest]
            # A group cannot be cut: of parts that need it about as much, the one that needs most
            # images.
            equal = count / 2 if content.images[group] > 1 else 1e-9
            chosen = np.where(need >= need.max() - equal, missing_images, -np.inf).argmax()
            part[group] = chosen
            own = slice(starts[group], starts[group + 1])
            missing[chosen, content.labels[own]] -= content.counts[own]
            missing_images[chosen] -= content.images[group]
            left[content.labels[own]] -= content.counts[own]
    return part


def _images_to_give(
    content: _Content, shares: Float64[np.ndarray, " parts"], *, every_class: bool
) -> Float64[np.ndarray, "parts labels"]:
    """Compute how many images of each class each part should get."""
    total = content.total()
    missing: Float64[np.ndarray, "parts labels"] = shares[:, None] * total
    if every_class:
        enough = np.bincount(content.labels, minlength=len(total)) >= len(shares)
        missing = np.where(enough, missing.clip(1), missing)
        missing[shares.argmax()] -= missing.sum(axis=0) - total
    return missing


def _excess(
    part: Int64[np.ndarray, " groups"], content: _Content, shares: Float64[np.ndarray, " parts"]
) -> float:
    """Return how many times its share a part has, at most; a single image more is none."""
    images = np.bincount(part, weights=content.images, minlength=len(shares))
    return float((images / np.ceil(shares * images.sum()).clip(1)).max())


def _without_empty(
    part: Int64[np.ndarray, " groups"], content: _Content, num_parts: int
) -> Int64[np.ndarray, " groups"]:
    """Give each empty part the smallest group of the part with most groups."""
    part = part.copy()
    for empty in range(num_parts):
        if not (part == empty).any():
            donor = np.bincount(part, minlength=num_parts).argmax()
            members = np.flatnonzero(part == donor)
            part[members[content.images[members].argmin()]] = empty
    return part


def _shuffle(dataset: DataSet, seed: int) -> np.ndarray:
    """Order the indices of the images at random, starting from their names."""
    random = torch.Generator().manual_seed(seed)
    shuffle = torch.randperm(len(dataset), generator=random).numpy()
    by_name = dataset.paths.by_text()
    return np.take(by_name, shuffle)


def classes_of_images(dataset: DataSet) -> Bool[np.ndarray, "images classes_and_none"]:
    """Mark the classes in each image; the last column marks images without objects."""
    num_classes = len(dataset.class_names)
    lengths = dataset.objects_per_image.numpy()
    holds = np.zeros((len(dataset), num_classes + 1), dtype=bool)
    holds[np.repeat(np.arange(len(dataset)), lengths), dataset.truths.labels.numpy()] = True
    holds[lengths == 0, num_classes] = True
    return holds


def _choose_aside(
    holds: Bool[np.ndarray, "images classes"], fraction: float
) -> Bool[np.ndarray, " images"]:
    """Mark the images to set aside, dealing out those of the rarest class first."""
    total = holds.sum(axis=0)
    # Where there are two images, at least one aside and one kept.
    aside = np.round(total * fraction).clip(np.minimum(total - 1, 1), total - 1).clip(0)
    missing = np.stack([total - aside, aside])  # images of each class that each side still needs
    is_aside = np.zeros(len(holds), dtype=bool)
    left = np.ones(len(holds), dtype=bool)
    while left.any():
        remaining = holds[left].sum(axis=0)
        rarest = np.where(remaining > 0, remaining, len(holds) + 1).argmin()
        for image in np.flatnonzero(left & holds[:, rarest]):
            held = holds[image]
            kept_need, aside_need = zip(
                missing[:, rarest], missing[:, held].sum(axis=1), strict=True
            )
            is_aside[image] = aside_need > kept_need
            missing[int(is_aside[image]), held] -= 1
            left[image] = False
    return is_aside


def _reduced(
    is_aside: Bool[np.ndarray, " images"], holds: Bool[np.ndarray, "images classes"], number: int
) -> Bool[np.ndarray, " images"]:
    """Keep images that were to be set aside, until so many are left: first those not missed."""
    aside = np.flatnonzero(is_aside).tolist()
    while len(aside) > number:
        counts = holds[aside].sum(axis=0)
        # Classes that this image alone has; of equals, the one whose classes are the most frequent.
        lost = [((counts == 1) & holds[image]).sum() for image in aside]
        spare = [counts[holds[image]].min(initial=len(holds)) for image in aside]
        aside.pop(np.lexsort((np.negative(spare), lost))[0])
    reduced = np.zeros_like(is_aside)
    reduced[aside] = True
    return reduced
