"""Detectors of images of one size: resize, score boxes, post-process."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import TypeVar

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from singleshot.backbones.backbone import Backbone
from singleshot.detectors.common.postprocess import PostprocessOptions, select_detections
from singleshot.detectors.common.resize import resize
from singleshot.detectors.common.settings import DetectorSettings, PixelSettings
from singleshot.detectors.detector import TrainableDetector
from singleshot.structures import Detections

__all__ = ["SingleSizeDetector", "pixel_statistics"]


D = TypeVar("D", bound="SingleSizeDetector")


class SingleSizeDetector(TrainableDetector):
    """Base class of detectors that resize images to `model.input` and score boxes.

    A subclass defines `forward`, `losses`, `score_boxes`, `num_boxes` and `parts`.
    """

    settings: DetectorSettings

    def __init__(
        self, backbone: Backbone, class_names: Sequence[str], settings: DetectorSettings
    ) -> None:
        super().__init__(class_names, pixel_statistics(backbone, settings.pixels))
        self.settings = settings
        self.backbone = backbone

    @classmethod
    def from_settings(
        cls: type[D], settings: DetectorSettings, backbone: Backbone, class_names: Sequence[str]
    ) -> D:
        """Create the detector of a recipe's table `model`."""
        return cls(backbone, class_names, settings)

    @abstractmethod
    def score_boxes(self, images: Float[Tensor, "b 3 h w"]) -> list[Detections]:
        """Score the boxes of each image, before NMS.

        Images are of the input size, RGB from 0 to 255; boxes are in their pixels.
        """

    @torch.inference_mode()
    def detect(self, images: Sequence[UInt8[Tensor, "3 _h _w"]]) -> list[Detections]:
        """Detect objects in images of any sizes; boxes are in pixels of their own image."""
        assert not self.training, "batch norm would use the statistics of these very images"
        if not images:
            return []
        settings, device = self.settings, self.pixel_mean.device
        options = PostprocessOptions.from_settings(settings.results)
        resized = [resize(image.to(device), settings.input, settings.resize) for image in images]
        return [
            select_detections(scored, settings.input, (image.shape[1], image.shape[2]), options)
            for scored, image in zip(self.score_boxes(torch.stack(resized)), images, strict=True)
        ]


def pixel_statistics(backbone: Backbone, pixels: PixelSettings | None) -> PixelSettings:
    """Return the given mean and deviation of pixels, or else the backbone's."""
    return pixels or PixelSettings(mean=backbone.pixel_mean, std=backbone.pixel_std)
