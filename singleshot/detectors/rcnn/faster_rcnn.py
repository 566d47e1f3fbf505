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
from singleshot.detectors.common.postprocess import PAPER_POSTPROCESSING, PostprocessOptions
from singleshot.detectors.common.regions import Sampling
from singleshot.detectors.common.single_size import InputOptions
from singleshot.detectors.detector import Losses, Prepared
from singleshot.detectors.rcnn.losses import fast_rcnn_losses
from singleshot.detectors.rcnn.proposals import (
    ProposalNetwork,
    Proposals,
    with_proposal_losses,
)
from singleshot.detectors.rcnn.regions import (
    RegionDetector,
    RegionHead,
    on_meta_device,
    pad_to_multiple,
    pool_regions,
    sample_batch,
    score_regions,
    strides_of,
)
from singleshot.detectors.rcnn.settings import FasterRcnnSettings, RegionAspect
from singleshot.structures import Batch, Detections, objects_of

__all__ = ["FasterRcnn", "FeaturePyramid", "LastLevel", "PyramidAlign", "SingleMaxPool"]

PAPER_SAMPLING = Sampling(128, 0.25, 0.5, (0.0, 0.5))
SAMPLES = 2  # of RoIAlign, along each side of a cell (torchvision's faster_rcnn.py)


class RegionOutputs(NamedTuple):
    """Proposals of a batch, and the outputs for all of them."""

    proposed: Proposals
    logits: Float[Tensor, "n outputs"]
    offsets: Float[Tensor, "n outputs 4"]


class FasterRcnn(RegionDetector):
    """A region proposal network and Fast R-CNN on the same feature maps, trained jointly.

    As "approximate joint training" of the authors' code (py-faster-rcnn, faster_rcnn_end2end):
    no gradient passes through the proposals.
    """

    def __init__(
        self,
        backbone: Backbone,
        class_names: Sequence[str],
        inputs: InputOptions,
        top_down: "FeaturePyramid | LastLevel",
        proposals: ProposalNetwork,
        *,
        pooling: "PyramidAlign | SingleMaxPool",
        heads: RegionHead,
        sampling: Sampling = PAPER_SAMPLING,
        aspect: RegionAspect = "stretch",
        postprocessing: PostprocessOptions = PAPER_POSTPROCESSING,
    ) -> None:
        """Regions are proposed on the maps of `top_down`, pooled from them, and classified.

        Heads may have more columns than classes: the last ones are then unused.
        """
        super().__init__(
            backbone, class_names, inputs, aspect=aspect, postprocessing=postprocessing
        )
        self.top_down, self.proposals = top_down, proposals
        self.pooling, self.heads = pooling, heads
        self.sampling = sampling

    @classmethod
    def from_settings(
        cls, settings: FasterRcnnSettings, backbone: Backbone, class_names: Sequence[str]
    ) -> "FasterRcnn":
        """Build the detector of a recipe; weights other than the backbone's are random."""
        channels, strides = settings.top_down or backbone.channels[-1], strides_of(backbone)
        top_down: FeaturePyramid | LastLevel = LastLevel()
        levels, num_pooled = strides[-1:], 1
        if settings.top_down:
            top_down = FeaturePyramid(backbone.channels, channels)
            levels, num_pooled = [*strides, 2 * strides[-1]], len(strides)
        # In the order of the random draws of weights.
        proposals = ProposalNetwork.from_settings(settings.proposals, channels, levels)
        heads = RegionHead(
            channels * settings.pooled**2,
            settings.fully_connected,
            settings.dropout,
            len(class_names) + settings.unused_columns,
        )
        return cls(
            backbone,
            class_names,
            InputOptions.from_settings(settings),
            top_down,
            proposals,
            pooling=PyramidAlign(settings.pooled, num_pooled)
            if settings.pooling == "align"
            else SingleMaxPool(settings.pooled, strides[-1]),
            heads=heads,
            sampling=Sampling.from_settings(settings.sampling),
            aspect=settings.aspect,
            postprocessing=PostprocessOptions.from_settings(settings.results),
        )

    @property
    def num_boxes(self) -> int:
        """Anchors that go into NMS, at detection."""
        return self.proposals.num_candidates(self.grids(self.input_size))

    @property
    def parts(self) -> Mapping[str, nn.Module]:
        """The backbone, the pyramid, and the heads that propose and classify regions."""
        heads = nn.ModuleList([self.proposals, self.heads])
        return {"backbone": self.backbone, "top_down": self.top_down, "heads": heads}

    def load_classifier(self, weights: Mapping[str, Tensor]) -> list[str]:
        """Copy fc6 and fc7 of a VGG16, and name the tensors that were taken."""
        return self.heads.layers.fill(weights)

    def grids(self, size: tuple[int, int]) -> list[tuple[int, int]]:
        """Find (rows, columns) of the maps with proposals, for images of this size."""
        image = pad_to_multiple(torch.zeros(1, 3, *size, device="meta"), max(self.strides))
        return grids(on_meta_device(nn.Sequential(self.backbone, self.top_down)), image)

    def forward(self, images: UInt8[Tensor, "b 3 h w"] | Float[Tensor, "b 3 h w"]) -> RegionOutputs:
        """Propose regions; compute logits and offsets of each, image by image."""
        maps, proposed = self._propose(images)
        return RegionOutputs(proposed, *self._classify(maps, proposed.regions, images))

    def _propose(self, images: Tensor) -> tuple[list[Tensor], Proposals]:
        """Compute feature maps, and propose regions on them."""
        padded = self.pad(images)
        maps = self.top_down(self.backbone(padded))
        return maps, self.proposals(padded, maps, (images.shape[-2], images.shape[-1]))

    def _classify(
        self, maps: Sequence[Tensor], regions: Sequence[Float[Tensor, "_ 4"]], images: Tensor
    ) -> tuple[Float[Tensor, "n outputs"], Float[Tensor, "n outputs 4"]]:
        """Compute logits and offsets of all regions."""
        size = images.shape[-2], images.shape[-1]
        outputs: tuple[Tensor, Tensor] = self.heads(self.pooling(maps, regions, size))
        return outputs

    def losses(self, batch: Batch, prepared: Prepared | None = None) -> Losses:
        """Compute losses of anchors, and of regions sampled among the proposals."""
        del prepared
        maps, proposed = self._propose(batch.images)
        sampled = sample_batch(proposed.regions, batch, self.sampling)
        regions = [labelled.regions for labelled in sampled]
        losses = fast_rcnn_losses(*self._classify(maps, regions, batch.images), sampled)
        objects = [objects_of(truth, batch.images.device) for truth in batch.truths]
        size = batch.images.shape[-2], batch.images.shape[-1]
        return with_proposal_losses(losses, proposed, objects, size, self.proposals.sampling)

    def score_boxes(self, images: Float[Tensor, "b 3 h w"]) -> list[Detections]:
        """Score every proposal for every class, at its decoded box."""
        proposed, logits, offsets = self(images)
        of_images = score_regions(
            proposed.regions,
            logits,
            offsets,
            (images.shape[-2], images.shape[-1]),
            self.postprocess_options.score_threshold,
        )
        return [scored[scored.labels < len(self.class_names)] for scored in of_images]


class LastLevel(nn.Module):
    """The single-level form: the last feature map alone."""

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """Select the last map."""
        return [maps[-1]]


class FeaturePyramid(nn.Module):
    """A feature pyramid (Lin et al. 2017, §3), with one coarser level for proposals (§4.1)."""

    def __init__(self, channels: Sequence[int], width: int) -> None:
        """`channels` are those of the backbone's maps; the pyramid's have `width`."""
        super().__init__()
        self.network = FeaturePyramidNetwork(list(channels), width, LastLevelMaxPool())

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """Compute the levels, finest first, with one coarser level more."""
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
        """Pool each region."""
        del size
        return pool_regions(maps[-1], regions, self.side, self.stride)


class PyramidAlign(nn.Module):
    """RoIAlign on the level for a region's size (Lin et al. 2017, equation 1)."""

    def __init__(self, side: int, num_levels: int) -> None:
        super().__init__()
        self.names = [str(level) for level in range(num_levels)]
        self.library = MultiScaleRoIAlign(self.names, side, SAMPLES)

    def forward(
        self, maps: Sequence[Tensor], regions: Sequence[Float[Tensor, "_ 4"]], size: tuple[int, int]
    ) -> Float[Tensor, "n channels rows columns"]:
        """Pool each region; the coarsest map of a pyramid is for proposals alone."""
        named = dict(zip(self.names, maps, strict=False))
        cells: Tensor = self.library(named, list(regions), [size] * len(regions))
        return cells
