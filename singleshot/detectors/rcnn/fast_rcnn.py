"""Fast R-CNN (Girshick 2015): one feature map for all regions, one loss for both tasks."""

from collections.abc import Mapping, Sequence

from jaxtyping import Float, UInt8
from torch import Tensor, nn

from singleshot.backbones.backbone import Backbone
from singleshot.detectors.detector import Losses, Prepared
from singleshot.detectors.rcnn.region_detector import RegionDetector, scored_regions
from singleshot.detectors.rcnn.region_layers import RegionHead, pooled
from singleshot.detectors.rcnn.region_losses import losses_of
from singleshot.detectors.rcnn.region_sampling import sample_batch
from singleshot.detectors.rcnn.selective_search import SelectiveSearch, whole_images
from singleshot.detectors.rcnn.settings import FastRcnnSettings
from singleshot.structures import Batch, Detections

__all__ = ["FastRcnn"]


class FastRcnn(RegionDetector):
    """Regions of selective search, pooled from the last feature map."""

    settings: FastRcnnSettings

    def __init__(
        self, backbone: Backbone, class_names: Sequence[str], settings: FastRcnnSettings
    ) -> None:
        super().__init__(backbone, class_names, settings)
        self.search = SelectiveSearch(settings.search)
        self.heads = RegionHead(
            backbone.channels[-1] * settings.pooled**2,
            settings.fully_connected,
            settings.dropout,
            len(class_names),
        )

    @property
    def num_boxes(self) -> int:
        """Regions asked for; a plain image has fewer."""
        return self.settings.search.regions

    @property
    def parts(self) -> Mapping[str, nn.Module]:
        """The convolutions, and what judges regions."""
        return {"backbone": self.backbone, "heads": self.heads}

    def take_classifier(self, weights: Mapping[str, Tensor]) -> None:
        """fc6 and fc7 of a VGG16."""
        self.heads.layers.fill(weights)

    def forward(
        self,
        images: UInt8[Tensor, "b 3 h w"] | Float[Tensor, "b 3 h w"],
        regions: Sequence[Float[Tensor, "_ 4"]] | None = None,
    ) -> tuple[Float[Tensor, "n outputs"], Float[Tensor, "n outputs 4"]]:
        """Logits and offsets of each region, image by image.

        Without regions: of as many as are asked for, each the whole image. That is what an image
        costs at most.
        """
        if regions is None:
            regions = whole_images(images, self.num_boxes)
        features = self.backbone(self.padded(images))[-1]
        cells = pooled(features, regions, self.settings.pooled, self.strides[-1])
        judged: tuple[Tensor, Tensor] = self.heads(cells)
        return judged

    def losses(self, batch: Batch, prepared: Prepared | None = None) -> Losses:
        """Losses of sampled regions, averaged over those of an image, then over images."""
        del prepared
        sampled = sample_batch(self.search(batch.images), batch, self.settings.sampling)
        logits, offsets = self(batch.images, [labelled.regions for labelled in sampled])
        return losses_of(logits, offsets, sampled)

    def scored(self, images: Float[Tensor, "b 3 h w"]) -> list[Detections]:
        """Every region with every class, where it says its object is."""
        regions = self.search(images)
        logits, offsets = self(images, regions)
        return scored_regions(regions, logits, offsets, images, self.settings.results)
