"""Regions of an image: which objects they show, samples to train on, crops, detections.

Used by detectors that classify regions, cells or windows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torchvision.ops import clip_boxes_to_image, roi_align

from singleshot.boxes.geometry import pairwise_iou, to_centres, to_corners
from singleshot.detectors.common.settings import SamplingSettings
from singleshot.structures import Detections, Objects

__all__ = [
    "BACKGROUND",
    "IGNORED",
    "LabelledRegions",
    "Sampling",
    "label_regions",
    "pick",
    "sample",
    "sample_regions",
    "select_scored",
    "sum_over_images",
    "warp_regions",
    "with_truths",
]

BACKGROUND = 0  # the column of logits; the column of a label is one further
IGNORED = -1
_SMALLEST_SIDE = 1e-2  # pixels; torchvision's RoIHeads drops what is smaller


class LabelledRegions(NamedTuple):
    """Regions of an image and the objects they show."""

    regions: Float[Tensor, "n 4"]
    labels: Int[Tensor, " n"]  # BACKGROUND, or a column above it
    truths: Float[Tensor, "n 4"]  # the object of greatest overlap; the region itself if none

    @property
    def positive(self) -> Bool[Tensor, " n"]:
        """A mask of the regions that show an object."""
        return self.labels > BACKGROUND

    def select(self, keep: Tensor) -> LabelledRegions:
        """Select regions by a mask or by indices."""
        return LabelledRegions(*(part[keep] for part in self))


class Sampling(NamedTuple):
    """Numbers that regions are sampled by."""

    number: int  # of an image at most
    positives: float  # share of regions that show an object, at most
    positive_iou: float  # IoU with an object from which a region shows it
    background_iou: tuple[float, float]  # greatest IoU of background: from, up to below

    @classmethod
    def from_settings(cls, settings: SamplingSettings) -> Sampling:
        """Translate a table `sampling`."""
        return cls(
            settings.regions, settings.positives, settings.positive_iou, settings.background_iou
        )


def with_truths(regions: Float[Tensor, "n 4"], objects: Objects) -> Float[Tensor, "m 4"]:
    """Add the annotated boxes to the regions to train on (Girshick 2015, lib/datasets/imdb.py)."""
    return torch.cat([regions, objects.boxes])


def label_regions(
    regions: Float[Tensor, "n 4"],
    objects: Objects,
    positive_iou: float,
    background_iou: tuple[float, float],
) -> LabelledRegions:
    """Label regions by IoU: objects from `positive_iou`, background within a range.

    Regions that are neither are left out. In an image without objects all regions are background;
    elsewhere the lower end of the range selects hard ones (Girshick 2015, §2.3).
    """
    if not len(objects.labels):
        return LabelledRegions(regions, regions.new_zeros(len(regions), dtype=torch.int64), regions)
    overlap, nearest = pairwise_iou(regions, objects.boxes).max(dim=1)
    lowest, below = background_iou
    labels = torch.full_like(nearest, IGNORED)
    labels[(overlap >= lowest) & (overlap < below)] = BACKGROUND
    labels = torch.where(overlap >= positive_iou, objects.labels[nearest] + 1, labels)
    return LabelledRegions(regions, labels, objects.boxes[nearest]).select(labels != IGNORED)


def sample_regions(
    regions: Float[Tensor, "n 4"], objects: Objects, sampling: Sampling
) -> LabelledRegions:
    """Label regions and sample some of them at random."""
    labelled = label_regions(regions, objects, sampling.positive_iou, sampling.background_iou)
    return labelled.select(sample(labelled.positive, sampling.number, sampling.positives))


def sample(positive: Bool[Tensor, " n"], number: int, positives: float) -> Int[Tensor, " sampled"]:
    """Draw at most `number` indices: positives up to their share, then negatives.

    As `_sample_rois` of py-faster-rcnn (lib/roi_data_layer/minibatch.py): where positives are few
    there are more negatives, where negatives are few there are not more positives.
    """
    some = pick(positive, round(number * positives))
    return torch.cat([some, pick(~positive, number - len(some))])


def pick(among: Bool[Tensor, " n"], number: int) -> Int[Tensor, " picked"]:
    """Draw at most `number` indices of the true entries, without repetition."""
    (indices,) = among.nonzero(as_tuple=True)
    return indices[torch.randperm(len(indices), device=indices.device)[:number]]


def sum_over_images(costs: Float[Tensor, " n"], numbers: Sequence[int]) -> Float[Tensor, ""]:
    """Add up the mean cost of each image; `numbers` are the counts of costs of the images.

    An image without any costs nothing.
    """
    of_images = costs.split_with_sizes(list(numbers))
    return torch.stack([some.sum() / max(len(some), 1) for some in of_images]).sum()


def warp_regions(
    images: Float[Tensor, "b 3 h w"],
    regions: Sequence[Float[Tensor, "_ 4"]],
    side: int,
    context: int,
) -> Float[Tensor, "n 3 side side"]:
    """Crop regions and warp them to squares (Girshick et al. 2014, appendix A).

    `context` are the pixels of a square around the region. Beyond the image there is 0, the mean.
    One bilinear sample is taken for each pixel.
    """
    scale = side / (side - 2 * context)
    boxes = [
        to_corners(to_centres(some) * some.new_tensor([1, 1, scale, scale])) for some in regions
    ]
    crops: Tensor = roi_align(images, boxes, side, sampling_ratio=1, aligned=True)
    return crops.contiguous(memory_format=torch.channels_last)


def select_scored(
    scores: Float[Tensor, "n classes"],
    boxes: Float[Tensor, "n classes 4"],
    size: tuple[int, int],
    score_threshold: float,
) -> Detections:
    """Select boxes of regions and classes with scores above a threshold, clipped to the image."""
    regions, labels = (scores > score_threshold).nonzero(as_tuple=True)
    clipped = clip_boxes_to_image(boxes[regions, labels], size)
    detections = Detections(clipped, scores[regions, labels], labels)
    sides = clipped[:, 2:] - clipped[:, :2]
    return detections[(sides >= _SMALLEST_SIDE).all(dim=1)]
