"""Fast R-CNN (Girshick 2015): one feature map for all regions of a picture, one loss for both tasks."""

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from singleshot.models.backbones.backbone import Backbone
from singleshot.models.baselines.region_detector import RegionDetector, judged
from singleshot.models.baselines.region_layers import RegionHead, of_label, pooled
from singleshot.models.baselines.region_losses import costs_of, decoded, mean_over_pictures
from singleshot.models.baselines.region_sampling import objects_of, sample_regions, with_truths
from singleshot.models.baselines.selective_search import SelectiveSearch
from singleshot.recipes.baselines.regions import FastRcnnSettings
from singleshot.structures import Batch, Detections, Losses

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
        """Regions asked for; a plain picture has fewer."""
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
        """Logits and offsets of each region, picture by picture.

        Without regions: of as many as are asked for, each the whole picture. That is what a picture
        costs at most.
        """
        if regions is None:
            regions = self.whole(images, self.num_boxes)
        features = self.backbone(self.padded(images))[-1]
        return self.heads(pooled(features, regions, self.settings.pooled, self.strides[-1]))

    def found(self, images: Tensor) -> list[Float[Tensor, "_ 4"]]:
        """Regions of selective search, on the network's device."""
        bytes_ = images.round().clamp(0, 255).byte() if images.is_floating_point() else images
        return [regions.to(images.device) for regions in self.search(bytes_)]

    def losses(self, batch: Batch) -> Losses:
        """Of sampled regions, averaged over those of a picture, then over pictures."""
        device = batch.images.device
        sampled = [
            sample_regions(with_truths(regions, objects), objects, self.settings.sampling)
            for regions, objects in zip(
                self.found(batch.images),
                [objects_of(truth, device) for truth in batch.truths],
                strict=True,
            )
        ]
        logits, offsets = self(batch.images, [labelled.regions for labelled in sampled])
        return losses_of(logits, offsets, sampled)

    def scored(self, images: Float[Tensor, "b 3 h w"]) -> list[Detections]:
        """Every region with every class, where it says its object is."""
        regions = self.found(images)
        logits, offsets = self(images, regions)
        return scored_regions(logits, offsets, regions, images.shape[-2:], self.settings)
