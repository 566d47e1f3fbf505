"""Which regions are learned from, and what each must say."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from singleshot.boxes.geometry import pairwise_iou
from singleshot.detectors.rcnn.settings import SamplingSettings
from singleshot.structures import Batch, Truth

__all__ = [
    "BACKGROUND",
    "IGNORED",
    "Labelled",
    "Objects",
    "label_regions",
    "objects_of",
    "pick",
    "sample",
    "sample_batch",
    "sample_regions",
    "with_truths",
]

BACKGROUND = 0  # the column of logits; a label of the truth is one column further
IGNORED = -1


class Objects(NamedTuple):
    """What an image shows, on the network's device; no crowds."""

    boxes: Float[Tensor, "truths 4"]
    labels: Int[Tensor, " truths"]  # without a background


class Labelled(NamedTuple):
    """Regions of an image and what they show."""

    regions: Float[Tensor, "n 4"]
    labels: Int[Tensor, " n"]  # BACKGROUND, or a column above it
    truths: Float[Tensor, "n 4"]  # the object that a region overlaps most; where none is, itself

    @property
    def positive(self) -> Bool[Tensor, " n"]:
        """Which regions show an object."""
        return self.labels > BACKGROUND

    def chosen(self, keep: Tensor) -> "Labelled":
        """Some of them."""
        return Labelled(*(part[keep] for part in self))


def objects_of(truth: Truth, device: torch.device) -> Objects:
    """What can be learned from an annotation: a crowd is no object."""
    ordinary = truth[~truth.crowd]
    return Objects(ordinary.boxes.to(device), ordinary.labels.to(device))


def sample_batch(
    regions: Sequence[Float[Tensor, "_ 4"]], batch: Batch, settings: SamplingSettings
) -> list[Labelled]:
    """Some regions of each image at random, and of its annotated boxes."""
    objects = [objects_of(truth, batch.images.device) for truth in batch.truths]
    return [
        sample_regions(with_truths(found, shown), shown, settings)
        for found, shown in zip(regions, objects, strict=True)
    ]


def with_truths(regions: Float[Tensor, "n 4"], objects: Objects) -> Float[Tensor, "m 4"]:
    """Annotated boxes are regions, too, in training (Girshick 2015, lib/datasets/imdb.py)."""
    return torch.cat([regions, objects.boxes])


def label_regions(
    regions: Float[Tensor, "n 4"],
    objects: Objects,
    positive_iou: float,
    background_iou: tuple[float, float],
) -> Labelled:
    """Regions that overlap a truth well show it; of the others, those in a range are background.

    Those in neither are left out. An image without objects has background alone: its regions
    overlap nothing, and the lower end of the range asks for some overlap to find hard ones
    (Girshick 2015, §2.3).
    """
    if not len(objects.labels):
        return Labelled(regions, regions.new_zeros(len(regions), dtype=torch.int64), regions)
    overlap, nearest = pairwise_iou(regions, objects.boxes).max(dim=1)
    lowest, below = background_iou
    labels = torch.full_like(nearest, IGNORED)
    labels[(overlap >= lowest) & (overlap < below)] = BACKGROUND
    labels = torch.where(overlap >= positive_iou, objects.labels[nearest] + 1, labels)
    return Labelled(regions, labels, objects.boxes[nearest]).chosen(labels != IGNORED)


def sample_regions(
    regions: Float[Tensor, "n 4"], objects: Objects, settings: SamplingSettings
) -> Labelled:
    """Some at random, at most a share of them positive."""
    labelled = label_regions(regions, objects, settings.positive_iou, settings.background_iou)
    return labelled.chosen(sample(labelled.positive, settings.regions, settings.positives))


def sample(positive: Bool[Tensor, " n"], number: int, positives: float) -> Int[Tensor, " sampled"]:
    """Indices of so many at most: positives up to their share, the rest negatives.

    As `_sample_rois` of py-faster-rcnn (lib/roi_data_layer/minibatch.py): few positives leave room
    for more negatives, few negatives none for more positives.
    """
    some = pick(positive, round(number * positives))
    return torch.cat([some, pick(~positive, number - len(some))])


def pick(among: Bool[Tensor, " n"], number: int) -> Int[Tensor, " picked"]:
    """Indices of so many of those marked, at random; all where there are no more."""
    (indices,) = among.nonzero(as_tuple=True)
    return indices[torch.randperm(len(indices), device=indices.device)[:number]]
