"""A network that classifies proposals one by one, each cropped from the image.

Szegedy et al. 2015, "Scalable, High-Quality Object Detection", §5: the network after MultiBox.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from singleshot.backbones.backbone import Backbone
from singleshot.detectors.common.fully_connected import small_linear
from singleshot.detectors.common.pixels import Pixels
from singleshot.detectors.common.regions import (
    Objects,
    Sampling,
    sample_regions,
    sum_over_images,
    warp_regions,
    with_truths,
)
from singleshot.detectors.common.settings import PixelSettings
from singleshot.detectors.detector import Losses
from singleshot.detectors.multibox.settings import PostClassifierSettings

__all__ = ["PostClassifier"]


class PostClassifier(nn.Module):
    """A backbone, the mean over its last feature map, and logits with the background first."""

    def __init__(
        self,
        backbone: Backbone,
        num_classes: int,
        pixels: PixelSettings,
        settings: PostClassifierSettings,
    ) -> None:
        super().__init__()
        self.settings = settings
        self.pixels = Pixels(pixels.mean, pixels.std)
        self.backbone = backbone
        self.logits = small_linear(backbone.channels[-1], 1 + num_classes, 0.01)

    def forward(
        self,
        images: UInt8[Tensor, "b 3 h w"] | Float[Tensor, "b 3 h w"],
        regions: Sequence[Float[Tensor, "_ 4"]],
    ) -> Float[Tensor, "n columns"]:
        """Compute logits of each region of each image, in float32 under any precision."""
        settings = self.settings
        crops = warp_regions(self.pixels(images), regions, settings.warped, settings.context)
        features = self.backbone(crops)[-1].mean(dim=(2, 3))
        logits: Tensor = self.logits(features)
        return logits.float()

    def losses(
        self,
        images: UInt8[Tensor, "b 3 h w"] | Float[Tensor, "b 3 h w"],
        proposed: Sequence[Float[Tensor, "_ 4"]],
        objects: Sequence[Objects],
    ) -> Losses:
        """Compute the cross-entropy of sampled proposals and annotated boxes, image by image."""
        sampling = Sampling.from_settings(self.settings.sampling)
        sampled = [
            sample_regions(with_truths(regions, shown), shown, sampling)
            for regions, shown in zip(proposed, objects, strict=True)
        ]
        labels = torch.cat([of_image.labels for of_image in sampled])
        logits = self(images, [of_image.regions for of_image in sampled])
        costs = F.cross_entropy(logits, labels, reduction="none")
        numbers = [len(of_image.labels) for of_image in sampled]
        sums = {"classification": sum_over_images(costs, numbers)}
        return Losses.of(sums, weight=len(objects), num_matches=int((labels > 0).sum()))
