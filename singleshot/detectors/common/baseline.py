"""What all detectors other than SSD share: they resize images, and choose among scored boxes."""

from abc import abstractmethod
from collections.abc import Sequence

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from singleshot.detectors.common.postprocess import PostprocessOptions, select_detections
from singleshot.detectors.common.resize import resize
from singleshot.detectors.common.settings import DetectorSettings, PixelSettings
from singleshot.detectors.detector import TrainableDetector
from singleshot.structures import Detections

__all__ = ["Baseline", "pixels_of"]


class Baseline(TrainableDetector):
    """A detector of images of one size."""

    settings: DetectorSettings

    @abstractmethod
    def scored(self, images: Float[Tensor, "b 3 h w"]) -> list[Detections]:
        """The boxes of each image with their scores, before suppression.

        Images are of the input size, RGB from 0 to 255; boxes are in their pixels.
        """

    @torch.inference_mode()
    def detect(self, images: Sequence[UInt8[Tensor, "3 _h _w"]]) -> list[Detections]:
        """Findings for each image, boxes in its own pixels; sizes may differ."""
        assert not self.training, "batch norm would use the statistics of these very images"
        if not images:
            return []
        settings, device = self.settings, self.pixel_mean.device
        options = PostprocessOptions.from_settings(settings.results)
        resized = [resize(image.to(device), settings.input, settings.resize) for image in images]
        return [
            select_detections(scored, settings.input, (image.shape[1], image.shape[2]), options)
            for scored, image in zip(self.scored(torch.stack(resized)), images, strict=True)
        ]


def pixels_of(
    settings: DetectorSettings,
    mean: tuple[float, float, float],
    std: tuple[float, float, float],
) -> PixelSettings:
    """The recipe's statistics of pixels, else the backbone's."""
    return settings.pixels or PixelSettings(mean=mean, std=std)
