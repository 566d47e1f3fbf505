"""What all detectors other than SSD are told."""

from __future__ import annotations

from pydantic import Field

from singleshot.backbones.settings import BackboneSettings
from singleshot.detectors.ssd.settings import PixelSettings, Resize, ResultSettings, Side
from singleshot.settings import Settings

__all__ = ["BaselineSettings"]


class BaselineSettings(Settings):
    """The input, what the first feature maps come from, and how results are chosen."""

    input: tuple[Side, Side] = Field(
        description="(height, width) in pixels that images are resized to"
    )
    kind: str
    backbone: BackboneSettings
    resize: Resize = Field("antialias", description="as model.resize of an SSD")
    pixels: PixelSettings | None = Field(
        None, description="mean and deviation of pixels; left out, the backbone's"
    )
    results: ResultSettings = ResultSettings()
