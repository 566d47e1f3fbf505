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
    Sampling,
    sample_regions,
    sum_over_images,
    warp_regions,
    with_truths,
)
from singleshot.detectors.common.settings import PixelSettings
from singleshot.detectors.common.single_size import pixel_statistics
from singleshot.detectors.detector import Losses
from singleshot.detectors.multibox.settings import PostClassifierSettings
from singleshot.structures import Objects

__all__ = ["PostClassifier"]

FEW_PROPOSALS = Sampling(32, 0.25, 0.5, (0.0, 0.5))


class PostClassifier(nn.Module):
    """A backbone, the mean over its last feature map, and logits with the background first."""

    def __init__(
        self,
        backbone: Backbone,
        num_classes: int,
        *,
        pixels: PixelSettings | None = None,
        warped: int = 299,
        context: int = 0,
        sampling: Sampling = FEW_PROPOSALS,
    ) -> None:
        """Regions are `warped` pixels high and wide with `context` around them.

        `pixels` are the mean and deviation that images are normalised by; left out, the backbone's.
        """
        super().__init__()
        self.warped, self.context, self.sampling = warped, context, sampling
        statistics = pixel_statistics(backbone, pixels)
        self.pixels = Pixels(statistics.mean, statistics.std)
        self.backbone = backbone
        self.logits = small_linear(backbone.channels[-1], 1 + num_classes, 0.01)

    @classmethod
    def from_settings(
        cls,
        settings: PostClassifierSettings,
        backbone: Backbone,
        num_classes: int,
        pixels: PixelSettings | None,
    ) -> "PostClassifier":
        """Build the network that a table `model.classifier` describes."""
        return cls(
            backbone,
            num_classes,
            pixels=pixels,
            warped=settings.warped,
            context=settings.context,
            sampling=Sampling.from_settings(settings.sampling),
        )

    def forward(
        self,
        images: UInt8[Tensor, "b 3 h w"] | Float[Tensor, "b 3 h w"],
        regions: Sequence[Float[Tensor, "_ 4"]],
    ) -> Float[Tensor, "n columns"]:
        """Compute logits of each region of each image, in float32 under any precision."""
        crops = warp_regions(self.pixels(images), regions, self.warped, self.context)
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
        sampled = [
            sample_regions(with_truths(regions, shown), shown, self.sampling)
            for regions, shown in zip(proposed, objects, strict=True)
        ]
        labels = torch.cat([of_image.labels for of_image in sampled])
        logits = self(images, [of_image.regions for of_image in sampled])
        costs = F.cross_entropy(logits, labels, reduction="none")
        numbers = [len(of_image.labels) for of_image in sampled]
        sums = {"classification": sum_over_images(costs, numbers)}
        return Losses.of(sums, weight=len(objects), num_matches=int((labels > 0).sum()))
