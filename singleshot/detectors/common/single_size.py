"""Detectors of images of one size: resize, score boxes, post-process."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from singleshot.backbones.backbone import Backbone
from singleshot.detectors.common.postprocess import (
    PAPER_POSTPROCESSING,
    PostprocessOptions,
    select_detections,
)
from singleshot.detectors.common.resize import resize
from singleshot.detectors.common.settings import DetectorSettings, PixelSettings, Resize
from singleshot.detectors.detector import TrainableDetector
from singleshot.structures import Detections

__all__ = ["InputOptions", "SingleSizeDetector", "pixel_statistics"]


@dataclass(frozen=True, slots=True)
class InputOptions:
    """Size and values of images as the network's input."""

    size: tuple[int, int]  # (height, width) in pixels that images are resized to
    resize: Resize = "antialias"
    pixels: PixelSettings | None = None  # mean and deviation; left out, the backbone's

    @classmethod
    def from_settings(cls, settings: DetectorSettings) -> InputOptions:
        """Translate the keys of a table `model` that all detectors have."""
        return cls(settings.input, settings.resize, settings.pixels)


class SingleSizeDetector(TrainableDetector):
    """Base class of detectors that resize images to one size and score boxes.

    A subclass defines `forward`, `losses`, `score_boxes`, `num_boxes` and `parts`.
    """

    def __init__(
        self,
        backbone: Backbone,
        class_names: Sequence[str],
        inputs: InputOptions,
        *,
        postprocessing: PostprocessOptions = PAPER_POSTPROCESSING,
    ) -> None:
        super().__init__(class_names, pixel_statistics(backbone, inputs.pixels))
        self.input_size, self.resize = inputs.size, inputs.resize
        self.postprocess_options = postprocessing
        self.backbone = backbone

    @abstractmethod
    def score_boxes(self, images: Float[Tensor, "b 3 h w"]) -> list[Detections]:
        """Score the boxes of each image, before NMS.

        Images are of the input size, RGB from 0 to 255; boxes are in their pixels.
        """

    def detect_tensors(self, images: Sequence[UInt8[Tensor, "3 _h _w"]]) -> list[Detections]:
        """Detect objects in images of any sizes; boxes are in pixels of their own image."""
        size, options, device = self.input_size, self.postprocess_options, self.pixel_mean.device
        resized = [resize(image.to(device), size, self.resize) for image in images]
        return [
            select_detections(scored, size, (image.shape[1], image.shape[2]), options)
            for scored, image in zip(self.score_boxes(torch.stack(resized)), images, strict=True)
        ]


def pixel_statistics(backbone: Backbone, pixels: PixelSettings | None) -> PixelSettings:
    """Return the given mean and deviation of pixels, or else the backbone's."""
    return pixels or PixelSettings(mean=backbone.pixel_mean, std=backbone.pixel_std)
