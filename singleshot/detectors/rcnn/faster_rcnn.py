"""Faster R-CNN (Ren et al. 2015): the network proposes its regions; also on a feature pyramid."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torchvision.ops import FeaturePyramidNetwork, MultiScaleRoIAlign
from torchvision.ops.feature_pyramid_network import LastLevelMaxPool

from singleshot.backbones.backbone import Backbone, grids
from singleshot.detectors.detector import Losses, Prepared
from singleshot.detectors.rcnn.proposal_losses import with_proposal_losses
from singleshot.detectors.rcnn.proposals import ProposalNetwork, Proposed
from singleshot.detectors.rcnn.region_detector import (
    RegionDetector,
    padded_to,
    scored_regions,
    traced,
)
from singleshot.detectors.rcnn.region_layers import RegionHead, pooled
from singleshot.detectors.rcnn.region_losses import losses_of
from singleshot.detectors.rcnn.region_sampling import objects_of, sample_batch
from singleshot.detectors.rcnn.settings import FasterRcnnSettings
from singleshot.structures import Batch, Detections

__all__ = ["FasterRcnn", "Pyramid"]

SAMPLES = 2  # of RoIAlign, along each side of a cell (torchvision's faster_rcnn.py)


class Outputs(NamedTuple):
    """Regions of each image, and what is said of all of them."""

    proposed: Proposed
    logits: Float[Tensor, "n outputs"]
    offsets: Float[Tensor, "n outputs 4"]


class FasterRcnn(RegionDetector):
    """A region proposal network and Fast R-CNN on the same feature maps, learned together.

    As "approximate joint training" of the authors' code (py-faster-rcnn, faster_rcnn_end2end):
    proposals are given, and no gradient passes through them.
    """

    settings: FasterRcnnSettings

    def __init__(
        self, backbone: Backbone, class_names: Sequence[str], settings: FasterRcnnSettings
    ) -> None:
        super().__init__(backbone, class_names, settings)
        channels = settings.top_down or backbone.channels[-1]
        self.top_down = Pyramid(backbone.channels, channels) if settings.top_down else LastLevel()
        strides = self.strides[-1:]
        if settings.top_down:
            strides = [*self.strides, 2 * self.strides[-1]]
        self.proposals = ProposalNetwork(channels, strides, settings.proposals)
        self.pooling = (
            PyramidAlign(settings.pooled, len(self.strides) if settings.top_down else 1)
            if settings.pooling == "align"
            else SingleMaxPool(settings.pooled, self.strides[-1])
        )
        self.heads = RegionHead(
            channels * settings.pooled**2,
            settings.fully_connected,
            settings.dropout,
            len(class_names) + settings.unused_columns,
        )

    @property
    def num_boxes(self) -> int:
        """Anchors that go into suppression, at detection."""
        return self.proposals.num_candidates(self.grids(self.settings.input))

    @property
    def parts(self) -> Mapping[str, nn.Module]:
        """The convolutions, the pyramid, and what proposes and judges regions."""
        heads = nn.ModuleList([self.proposals, self.heads])
        return {"backbone": self.backbone, "top_down": self.top_down, "heads": heads}

    def take_classifier(self, weights: Mapping[str, Tensor]) -> None:
        """fc6 and fc7 of a VGG16."""
        self.heads.layers.fill(weights)

    def grids(self, size: tuple[int, int]) -> list[tuple[int, int]]:
        """(rows, columns) of the maps that regions are proposed on, of images of this size."""
        image = padded_to(torch.zeros(1, 3, *size, device="meta"), max(self.strides))
        return grids(traced(nn.Sequential(self.backbone, self.top_down)), image)

    def forward(self, images: UInt8[Tensor, "b 3 h w"] | Float[Tensor, "b 3 h w"]) -> Outputs:
        """What is proposed, and of each region logits and offsets, image by image."""
        maps, proposed = self.propose(images)
        return Outputs(proposed, *self.judge(maps, proposed.regions, images))

    def propose(self, images: Tensor) -> tuple[list[Tensor], Proposed]:
        """Feature maps, and what is proposed on them."""
        padded = self.padded(images)
        maps = self.top_down(self.backbone(padded))
        return maps, self.proposals(padded, maps, (images.shape[-2], images.shape[-1]))

    def judge(
        self, maps: Sequence[Tensor], regions: Sequence[Float[Tensor, "_ 4"]], images: Tensor
    ) -> tuple[Float[Tensor, "n outputs"], Float[Tensor, "n outputs 4"]]:
        """Logits and offsets of all regions."""
        size = images.shape[-2], images.shape[-1]
        judged: tuple[Tensor, Tensor] = self.heads(self.pooling(maps, regions, size))
        return judged

    def losses(self, batch: Batch, prepared: Prepared | None = None) -> Losses:
        """Losses of anchors, and of regions sampled among the proposals; means over images."""
        del prepared
        maps, proposed = self.propose(batch.images)
        sampled = sample_batch(proposed.regions, batch, self.settings.sampling)
        regions = [labelled.regions for labelled in sampled]
        judged = losses_of(*self.judge(maps, regions, batch.images), sampled)
        objects = [objects_of(truth, batch.images.device) for truth in batch.truths]
        size = batch.images.shape[-2], batch.images.shape[-1]
        return with_proposal_losses(judged, proposed, objects, size, self.settings.proposals)

    def scored(self, images: Float[Tensor, "b 3 h w"]) -> list[Detections]:
        """Every proposal with every class, where it says its object is."""
        proposed, logits, offsets = self(images)
        found = scored_regions(proposed.regions, logits, offsets, images, self.settings.results)
        return [scored[scored.labels < len(self.class_names)] for scored in found]


class LastLevel(nn.Module):
    """The single-level form: the last feature map, as it is."""

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """That one alone."""
        return [maps[-1]]


class Pyramid(nn.Module):
    """A feature pyramid (Lin et al. 2017, §3), with one coarser level for proposals (§4.1)."""

    def __init__(self, channels: Sequence[int], width: int) -> None:
        """`channels` of the backbone's maps; the pyramid's have `width`."""
        super().__init__()
        self.network = FeaturePyramidNetwork(list(channels), width, LastLevelMaxPool())

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """Finest first, one more than came in."""
        named = OrderedDict((str(level), features) for level, features in enumerate(maps))
        return list(self.network(named).values())


class SingleMaxPool(nn.Module):
    """RoI pooling of the only level."""

    def __init__(self, side: int, stride: int) -> None:
        super().__init__()
        self.side, self.stride = side, stride

    def forward(
        self, maps: Sequence[Tensor], regions: Sequence[Float[Tensor, "_ 4"]], size: tuple[int, int]
    ) -> Float[Tensor, "n channels rows columns"]:
        """Cells of each region."""
        del size
        return pooled(maps[-1], regions, self.side, self.stride)


class PyramidAlign(nn.Module):
    """RoIAlign on the level that suits a region's size (Lin et al. 2017, equation 1)."""

    def __init__(self, side: int, num_levels: int) -> None:
        super().__init__()
        self.names = [str(level) for level in range(num_levels)]
        self.library = MultiScaleRoIAlign(self.names, side, SAMPLES)

    def forward(
        self, maps: Sequence[Tensor], regions: Sequence[Float[Tensor, "_ 4"]], size: tuple[int, int]
    ) -> Float[Tensor, "n channels rows columns"]:
        """Cells of each region; the coarsest map of a pyramid is for proposals alone."""
        named = dict(zip(self.names, maps, strict=False))
        cells: Tensor = self.library(named, list(regions), [size] * len(regions))
        return cells
