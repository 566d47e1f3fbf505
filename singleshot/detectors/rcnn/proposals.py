"""The region proposal network (Ren et al. 2015, §3.1), on one level or several, and its losses."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.rpn import AnchorGenerator, RegionProposalNetwork

from singleshot.boxes.geometry import pairwise_iou
from singleshot.detectors.common.regions import IGNORED, LabelledRegions, sample, sum_over_images
from singleshot.detectors.detector import Losses
from singleshot.detectors.rcnn.losses import decode_regions, offset_targets
from singleshot.detectors.rcnn.settings import AnchorSettings, ProposalSettings
from singleshot.structures import Objects

__all__ = [
    "AnchorOptions",
    "AnchorSampling",
    "ProposalHead",
    "ProposalNetwork",
    "ProposalSelection",
    "Proposals",
    "caffe_anchors",
    "label_anchors",
    "proposal_losses",
    "with_proposal_losses",
    "within",
]

INITIAL_SPREAD = 0.01  # of the new layers (§3.1.3)
OBJECT, NOTHING = 1, 0
BETA = 1 / 9  # where smooth L1 becomes straight: py-faster-rcnn's σ = 3


class Proposals(NamedTuple):
    """Outputs of the network for images of one size, and the regions selected from them."""

    anchors: Float[Tensor, "anchors 4"]
    objectness: Float[Tensor, "b anchors"]  # logits
    offsets: Float[Tensor, "b anchors 4"]
    regions: list[Float[Tensor, "_ 4"]]  # of each image, best first; without gradient


@dataclass(frozen=True, slots=True)
class AnchorOptions:
    """Shapes of the boxes at each position of a feature map; the defaults are the paper's."""

    scales: Sequence[float] = (8, 16, 32)  # sides of the square ones, in strides of their level
    ratios: Sequence[float] = (0.5, 1, 2)  # height / width
    rule: Literal["caffe", "torchvision"] = "caffe"

    @classmethod
    def from_settings(cls, settings: AnchorSettings) -> "AnchorOptions":
        """Translate the table `model.proposals.anchors`."""
        return cls(settings.scales, settings.ratios, settings.rule)

    def __len__(self) -> int:
        return len(self.scales) * len(self.ratios)


@dataclass(frozen=True, slots=True)
class AnchorSampling:
    """Numbers that anchors to train on are sampled by; the defaults are the paper's (§3.1.2)."""

    number: int = 256  # anchors of an image
    positives: float = 0.5  # share of these that show an object, at most
    positive_iou: float = 0.7  # IoU from which an anchor shows an object
    negative_iou: float = 0.3  # IoU below which it shows none
    inside: bool = True  # only anchors within the image, as in the paper (§3.3)
    offset_scales: tuple[float, float] = (1.0, 1.0)  # units of centre and size

    @classmethod
    def from_settings(cls, settings: ProposalSettings) -> "AnchorSampling":
        """Translate the table `model.proposals`."""
        return cls(
            settings.sampled,
            settings.positives,
            settings.positive_iou,
            settings.negative_iou,
            settings.inside,
            settings.offset_scales,
        )


@dataclass(frozen=True, slots=True)
class ProposalSelection:
    """Numbers that proposals are selected by: the best go into NMS, the best of these are kept."""

    iou_threshold: float = 0.7  # of NMS
    min_side: float = 16  # pixels; smaller proposals are left out
    before_training: int = 12000  # of a level, into NMS …
    after_training: int = 2000  # … and kept of an image, while training
    before: int = 6000  # at detection
    after: int = 300

    @classmethod
    def from_settings(cls, settings: ProposalSettings) -> "ProposalSelection":
        """Translate the table `model.proposals`."""
        return cls(
            settings.iou_threshold,
            settings.min_side,
            settings.before_training,
            settings.after_training,
            settings.before,
            settings.after,
        )


PAPER_ANCHORS, PAPER_SAMPLING = AnchorOptions(), AnchorSampling()
PAPER_SELECTION = ProposalSelection()


class ProposalHead(nn.Module):
    """A 3 × 3 convolution, and two 1 × 1 for objectness and offsets; shared by all levels."""

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
        """Compute outputs position by position, row by row; at each position anchor by anchor."""
        hidden = torch.relu(self.convolution(features))
        objectness = self.objectness(hidden).permute(0, 2, 3, 1).flatten(start_dim=1)
        offsets = self.offsets(hidden).permute(0, 2, 3, 1).reshape(len(features), -1, 4)
        return objectness, offsets


class ProposalNetwork(nn.Module):
    """Anchors, a head, and the selection of the best boxes.

    Anchors and the selection are torchvision's.
    """

    def __init__(
        self,
        channels: int,
        strides: Sequence[int],
        *,
        hidden: int = 0,
        anchors: AnchorOptions = PAPER_ANCHORS,
        sampling: AnchorSampling = PAPER_SAMPLING,
        selection: ProposalSelection = PAPER_SELECTION,
    ) -> None:
        """`channels` and `strides` are those of the feature maps.

        The 3 × 3 convolution has `hidden` channels; 0: as the feature maps.
        """
        super().__init__()
        self.sampling, self.selection = sampling, selection
        self.num_anchors_per_cell = len(anchors)
        self.network = RegionProposalNetwork(
            _anchor_generator(strides, anchors),
            ProposalHead(channels, hidden or channels, len(anchors)),
            fg_iou_thresh=sampling.positive_iou,
            bg_iou_thresh=sampling.negative_iou,
            batch_size_per_image=sampling.number,
            positive_fraction=sampling.positives,
            pre_nms_top_n={"training": selection.before_training, "testing": selection.before},
            post_nms_top_n={"training": selection.after_training, "testing": selection.after},
            nms_thresh=selection.iou_threshold,
        )
        self.network.min_size = selection.min_side

    @classmethod
    def from_settings(
        cls, settings: ProposalSettings, channels: int, strides: Sequence[int]
    ) -> "ProposalNetwork":
        """Build the network that a table `model.proposals` describes."""
        return cls(
            channels,
            strides,
            hidden=settings.channels,
            anchors=AnchorOptions.from_settings(settings.anchors),
            sampling=AnchorSampling.from_settings(settings),
            selection=ProposalSelection.from_settings(settings),
        )

    def forward(
        self,
        images: Float[Tensor, "b 3 h w"],
        features: Sequence[Tensor],
        size: tuple[int, int],
    ) -> Proposals:
        """Propose regions of padded images with these maps; `size` is (height, width) unpadded."""
        outputs = [self.network.head(level) for level in features]
        objectness = torch.cat([logits for logits, _ in outputs], dim=1).float()
        offsets = torch.cat([numbers for _, numbers in outputs], dim=1).float()
        anchors = self.network.anchor_generator(ImageList(images, [size]), list(features))[0]
        scales = self.sampling.offset_scales
        with torch.no_grad():
            boxes = torch.stack(
                [decode_regions(numbers[:, None], anchors, scales)[:, 0] for numbers in offsets]
            )
            regions, _ = self.network.filter_proposals(
                boxes,
                objectness,
                [size] * len(images),
                [logits.shape[1] for logits, _ in outputs],
            )
        return Proposals(anchors, objectness, offsets, regions)

    def num_candidates(self, grids: Sequence[tuple[int, int]]) -> int:
        """Count the boxes that go into NMS at detection, for maps of these (rows, columns)."""
        numbers = [rows * columns * self.num_anchors_per_cell for rows, columns in grids]
        return sum(min(number, self.selection.before) for number in numbers)


def _anchor_generator(strides: Sequence[int], anchors: AnchorOptions) -> AnchorGenerator:
    """Create torchvision's generator for feature maps at these strides."""
    sizes = tuple(tuple(stride * scale for scale in anchors.scales) for stride in strides)
    generator = AnchorGenerator(sizes, (tuple(anchors.ratios),) * len(strides))
    if anchors.rule == "caffe":
        scales, ratios = anchors.scales, anchors.ratios
        generator.cell_anchors = [caffe_anchors(stride, scales, ratios) for stride in strides]
    return generator


def caffe_anchors(
    stride: int, scales: Sequence[float], ratios: Sequence[float]
) -> Float[Tensor, "anchors 4"]:
    """Create anchors around the middle of the first cell (py-faster-rcnn, generate_anchors.py).

    Ratio by ratio. Its boxes include their last pixels, ours are half-open: x2 and y2 are one more.
    """
    boxes = []
    for ratio in ratios:
        width = round((stride**2 / ratio) ** 0.5)
        height = round(width * ratio)
        for scale in scales:
            half = scale * width / 2, scale * height / 2
            middle = stride / 2
            boxes.append((middle - half[0], middle - half[1], middle + half[0], middle + half[1]))
    return torch.tensor(
        boxes, device="cpu"
    )  # as torchvision's, even if the network is built on the meta device


def with_proposal_losses(
    losses: Losses,
    proposed: Proposals,
    objects: Sequence[Objects],
    size: tuple[int, int],
    sampling: AnchorSampling,
) -> Losses:
    """Add the terms of the proposal network to those of the classified regions."""
    localization, objectness = proposal_losses(proposed, objects, size, sampling)
    weight = len(objects)
    with_boxes = losses.with_term("proposal_localization", localization, weight)
    return with_boxes.with_term("proposal_objectness", objectness, weight)


def proposal_losses(
    proposed: Proposals,
    objects: Sequence[Objects],
    size: tuple[int, int],
    sampling: AnchorSampling,
) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """Compute localization and objectness: means over sampled anchors, added up over images."""
    boxes, logits = [], []
    for shown, objectness, offsets in zip(
        objects, proposed.objectness, proposed.offsets, strict=True
    ):
        labelled = label_anchors(proposed.anchors, shown, size, sampling)
        known = (labelled.labels != IGNORED).nonzero()[:, 0]
        chosen = known[sample(labelled.positive[known], sampling.number, sampling.positives)]
        sampled = labelled.select(chosen)
        logits.append(
            F.binary_cross_entropy_with_logits(
                objectness[chosen], sampled.labels.float(), reduction="none"
            )
        )
        targets = offset_targets(sampled, sampling.offset_scales)
        costs = F.smooth_l1_loss(offsets[chosen], targets, beta=BETA, reduction="none")
        boxes.append(costs.sum(dim=1) * sampled.positive)
    numbers = [len(of_image) for of_image in logits]
    return (
        sum_over_images(torch.cat(boxes), numbers),
        sum_over_images(torch.cat(logits), numbers),
    )


def label_anchors(
    anchors: Float[Tensor, "n 4"],
    objects: Objects,
    size: tuple[int, int],
    sampling: AnchorSampling,
) -> LabelledRegions:
    """Label anchors as object: of high IoU with one, or of the highest of all anchors.

    Anchors of low IoU with all objects are background; all others, and those that reach beyond the
    image, are ignored (py-faster-rcnn, lib/rpn/anchor_target_layer.py).
    """
    everywhere = torch.ones(len(anchors), dtype=torch.bool, device=anchors.device)
    takes_part = within(anchors, size) if sampling.inside else everywhere
    if not len(objects.labels):
        return LabelledRegions(anchors, torch.where(takes_part, NOTHING, IGNORED), anchors)
    overlaps = pairwise_iou(anchors, objects.boxes).masked_fill(~takes_part[:, None], -1)
    overlap, nearest = overlaps.max(dim=1)
    best = overlaps.max(dim=0).values
    is_best = ((overlaps == best) & (best > 0)).any(dim=1)
    labels = torch.where(overlap < sampling.negative_iou, NOTHING, IGNORED)
    labels = torch.where(is_best | (overlap >= sampling.positive_iou), OBJECT, labels)
    return LabelledRegions(
        anchors, labels.masked_fill(~takes_part, IGNORED), objects.boxes[nearest]
    )


def within(boxes: Float[Tensor, "n 4"], size: tuple[int, int]) -> Bool[Tensor, " n"]:
    """Mark the boxes that lie within an image of this (height, width)."""
    height, width = size
    limit = boxes.new_tensor([width, height])
    return ((boxes[:, :2] >= 0) & (boxes[:, 2:] <= limit)).all(dim=1)
