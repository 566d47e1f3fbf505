"""Regions that a network proposes: the RPN (Ren et al. 2015, §3.1), one level or several."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.rpn import AnchorGenerator, RegionProposalNetwork

from singleshot.detectors.rcnn.region_losses import decoded
from singleshot.detectors.rcnn.settings import AnchorSettings, ProposalSettings

__all__ = ["ProposalHead", "ProposalNetwork", "Proposed", "caffe_anchors"]

INITIAL_SPREAD = 0.01  # of the new layers (§3.1.3)


class Proposed(NamedTuple):
    """What the network says of images of one size."""

    anchors: Float[Tensor, "anchors 4"]
    objectness: Float[Tensor, "b anchors"]  # logits
    offsets: Float[Tensor, "b anchors 4"]
    regions: list[Float[Tensor, "_ 4"]]  # of each image, best first; without gradient


class ProposalHead(nn.Module):
    """A 3 × 3 convolution, and two 1 × 1: is it an object, and where; the same on each level."""

    def __init__(self, in_channels: int, channels: int, num_anchors: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(in_channels, channels, 3, padding=1)
        self.objectness = nn.Conv2d(channels, num_anchors, 1)
        self.offsets = nn.Conv2d(channels, 4 * num_anchors, 1)
        for layer in (self.convolution, self.objectness, self.offsets):
            nn.init.normal_(layer.weight, std=INITIAL_SPREAD)
            assert layer.bias is not None
            nn.init.zeros_(layer.bias)

    def forward(
        self, features: Float[Tensor, "b channels rows columns"]
    ) -> tuple[Float[Tensor, "b anchors"], Float[Tensor, "b anchors 4"]]:
        """Place by place, row by row; at each place anchor by anchor."""
        seen = torch.relu(self.convolution(features))
        objectness = self.objectness(seen).permute(0, 2, 3, 1).flatten(start_dim=1)
        offsets = self.offsets(seen).permute(0, 2, 3, 1).reshape(len(features), -1, 4)
        return objectness, offsets


class ProposalNetwork(nn.Module):
    """Anchors, what is said of them, and the best of the boxes that come of it.

    Anchors and the choice among proposals are torchvision's.
    """

    def __init__(self, channels: int, strides: Sequence[int], settings: ProposalSettings) -> None:
        """For feature maps of so many channels, at these strides."""
        super().__init__()
        self.settings = settings
        anchors = settings.anchors
        self.num_anchors_per_cell = len(anchors.scales) * len(anchors.ratios)
        width = settings.channels or channels
        self.network = RegionProposalNetwork(
            anchor_generator(strides, anchors),
            ProposalHead(channels, width, self.num_anchors_per_cell),
            fg_iou_thresh=settings.positive_iou,
            bg_iou_thresh=settings.negative_iou,
            batch_size_per_image=settings.sampled,
            positive_fraction=settings.positives,
            pre_nms_top_n={"training": settings.before_training, "testing": settings.before},
            post_nms_top_n={"training": settings.after_training, "testing": settings.after},
            nms_thresh=settings.iou_threshold,
        )
        self.network.min_size = settings.min_side

    def forward(
        self,
        images: Float[Tensor, "b 3 h w"],
        features: Sequence[Tensor],
        size: tuple[int, int],
    ) -> Proposed:
        """Of padded images, and their maps; (height, width) `size` is what they really show."""
        said = [self.network.head(level) for level in features]
        objectness = torch.cat([logits for logits, _ in said], dim=1).float()
        offsets = torch.cat([numbers for _, numbers in said], dim=1).float()
        anchors = self.network.anchor_generator(ImageList(images, [size]), list(features))[0]
        scales = self.settings.offset_scales
        with torch.no_grad():
            boxes = torch.stack(
                [decoded(numbers[:, None], anchors, scales)[:, 0] for numbers in offsets]
            )
            regions, _ = self.network.filter_proposals(
                boxes,
                objectness,
                [size] * len(images),
                [logits.shape[1] for logits, _ in said],
            )
        return Proposed(anchors, objectness, offsets, regions)

    def num_candidates(self, grids: Sequence[tuple[int, int]]) -> int:
        """Boxes that go into suppression while detecting, of maps of these (rows, columns)."""
        numbers = [rows * columns * self.num_anchors_per_cell for rows, columns in grids]
        return sum(min(number, self.settings.before) for number in numbers)


def anchor_generator(strides: Sequence[int], settings: AnchorSettings) -> AnchorGenerator:
    """torchvision's, for feature maps at these strides."""
    sizes = tuple(tuple(stride * scale for scale in settings.scales) for stride in strides)
    generator = AnchorGenerator(sizes, (settings.ratios,) * len(strides))
    if settings.rule == "caffe":
        generator.cell_anchors = [caffe_anchors(stride, settings) for stride in strides]
    return generator


def caffe_anchors(stride: int, settings: AnchorSettings) -> Float[Tensor, "anchors 4"]:
    """Around the middle of the first cell, ratio by ratio (py-faster-rcnn, generate_anchors.py).

    Its table has the last pixels that belong to a box, ours is half-open: x2 and y2 are one more.
    """
    boxes = []
    for ratio in settings.ratios:
        width = round((stride**2 / ratio) ** 0.5)
        height = round(width * ratio)
        for scale in settings.scales:
            half = scale * width / 2, scale * height / 2
            middle = stride / 2
            boxes.append((middle - half[0], middle - half[1], middle + half[0], middle + half[1]))
    return torch.tensor(boxes, device="cpu")  # as torchvision's, whatever the network is built on
