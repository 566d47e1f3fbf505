"""Fast R-CNN (Girshick 2015): one feature map for all regions, one loss for both tasks."""

from collections.abc import Mapping, Sequence

from jaxtyping import Float, UInt8
from torch import Tensor, nn

from singleshot.backbones.backbone import Backbone
from singleshot.detectors.common.postprocess import PAPER_POSTPROCESSING, PostprocessOptions
from singleshot.detectors.common.regions import Sampling
from singleshot.detectors.common.single_size import InputOptions
from singleshot.detectors.detector import Losses, Prepared
from singleshot.detectors.rcnn.losses import fast_rcnn_losses
from singleshot.detectors.rcnn.regions import (
    RegionDetector,
    RegionHead,
    pool_regions,
    sample_batch,
    score_regions,
)
from singleshot.detectors.rcnn.selective_search import SelectiveSearch, whole_image_regions
from singleshot.detectors.rcnn.settings import FastRcnnSettings, RegionAspect
from singleshot.structures import Batch, Detections

__all__ = ["FastRcnn"]

PAPER_SAMPLING = Sampling(64, 0.25, 0.5, (0.1, 0.5))


class FastRcnn(RegionDetector):
    """A detector of regions of selective search, pooled from the last feature map."""

    def __init__(
        self,
        backbone: Backbone,
        class_names: Sequence[str],
        inputs: InputOptions,
        search: SelectiveSearch,
        *,
        pooled: int = 7,
        fully_connected: Sequence[int] = (4096, 4096),
        dropout: float = 0.5,
        sampling: Sampling = PAPER_SAMPLING,
        aspect: RegionAspect = "stretch",
        postprocessing: PostprocessOptions = PAPER_POSTPROCESSING,
    ) -> None:
        """Regions are pooled to `pooled` × `pooled` cells."""
        super().__init__(
            backbone, class_names, inputs, aspect=aspect, postprocessing=postprocessing
        )
        self.search = search
        self.pooled, self.sampling = pooled, sampling
        width = backbone.channels[-1] * pooled**2
        self.heads = RegionHead(width, fully_connected, dropout, len(class_names))

    @classmethod
    def from_settings(
        cls, settings: FastRcnnSettings, backbone: Backbone, class_names: Sequence[str]
    ) -> "FastRcnn":
        """Build the detector of a recipe; weights other than the backbone's are random."""
        return cls(
            backbone,
            class_names,
            InputOptions.from_settings(settings),
            SelectiveSearch.from_settings(settings.search),
            pooled=settings.pooled,
            fully_connected=settings.fully_connected,
            dropout=settings.dropout,
            sampling=Sampling.from_settings(settings.sampling),
            aspect=settings.aspect,
            postprocessing=PostprocessOptions.from_settings(settings.results),
        )

    @property
    def num_boxes(self) -> int:
        """The limit on regions of an image; a plain image has fewer."""
        return self.search.regions

    @property
    def parts(self) -> Mapping[str, nn.Module]:
        """The backbone, and the head of regions."""
        return {"backbone": self.backbone, "heads": self.heads}

    def load_classifier(self, weights: Mapping[str, Tensor]) -> list[str]:
        """Copy fc6 and fc7 of a VGG16, and name the tensors that were taken."""
        return self.heads.layers.fill(weights)

    def forward(
        self,
        images: UInt8[Tensor, "b 3 h w"] | Float[Tensor, "b 3 h w"],
        regions: Sequence[Float[Tensor, "_ 4"]] | None = None,
    ) -> tuple[Float[Tensor, "n outputs"], Float[Tensor, "n outputs 4"]]:
        """Compute logits and offsets of each region, image by image.

        Without regions the whole image is taken `num_boxes` times: the greatest cost of an image.
        """
        if regions is None:
            regions = whole_image_regions(images, self.num_boxes)
        features = self.backbone(self.pad(images))[-1]
        cells = pool_regions(features, regions, self.pooled, self.strides[-1])
        outputs: tuple[Tensor, Tensor] = self.heads(cells)
        return outputs

    def losses(self, batch: Batch, prepared: Prepared | None = None) -> Losses:
        """Average the losses of sampled regions over those of an image, then over images."""
        del prepared
        sampled = sample_batch(self.search(batch.images), batch, self.sampling)
        logits, offsets = self(batch.images, [labelled.regions for labelled in sampled])
        return fast_rcnn_losses(logits, offsets, sampled)

    def score_boxes(self, images: Float[Tensor, "b 3 h w"]) -> list[Detections]:
        """Score every region for every class, at its decoded box."""
        regions = self.search(images)
        logits, offsets = self(images, regions)
        return score_regions(
            regions,
            logits,
            offsets,
            (images.shape[-2], images.shape[-1]),
            self.postprocess_options.score_threshold,
        )
