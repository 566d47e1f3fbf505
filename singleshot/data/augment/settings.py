"""The tables under `augmentation`: how training images are varied."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from singleshot.settings import Count, Fraction, Range, Settings

__all__ = ["AugmentationSettings", "CropSettings", "ExpandSettings", "PhotometricSettings"]


class PhotometricSettings(Settings):
    """Colour distortion; each part happens with its probability."""

    probability: Fraction = Field(0.5, description="of each of the four parts")
    brightness: float = Field(32, ge=0, le=255, description="grey levels added or taken at most")
    contrast: Range = Field((0.5, 1.5), description="factor")
    saturation: Range = Field((0.5, 1.5), description="factor, in HSV")
    hue: float = Field(36, ge=0, le=180, description="degrees of rotation at most, in HSV")


class ExpandSettings(Settings):
    """The image placed on a larger canvas, so that objects become small."""

    probability: Fraction = 0.5
    up_to: float = Field(4.0, ge=1, description="side of the canvas, in sides of the image")


class CropSettings(Settings):
    """The batch sampler: crops that overlap some object well enough."""

    probability: Fraction = Field(1.0, description="of considering crops at all")
    min_ious: tuple[Fraction, ...] = Field(
        (0.1, 0.3, 0.5, 0.7, 0.9, 0.0), description="one sampler each; 0.0 asks for nothing"
    )
    scale: Range = Field((0.3, 1.0), description="√(area of the crop / area of the canvas)")
    aspect_ratio: Range = (0.5, 2.0)
    trials: Count = Field(50, description="of each sampler")


class AugmentationSettings(Settings):
    """How training images are varied (paper §2.2 and §3.6), in this order."""

    photometric: PhotometricSettings = PhotometricSettings()
    expand: ExpandSettings = ExpandSettings()
    crop: CropSettings = CropSettings()
    flip: Fraction = Field(0.5, description="probability of mirroring left to right")
    interpolations: tuple[Literal["nearest", "area", "bilinear", "bicubic", "lanczos"], ...] = (
        Field(("bilinear",), min_length=1, description="one is chosen each time")
    )
    mosaic: Fraction = Field(
        0.0, description="probability of four images in one (Bochkovskiy et al. 2020)"
    )
    mixup: Fraction = Field(
        0.0,
        description="probability of a second image shining through, half and half (Zhang et al. "
        "2018, Ge et al. 2021)",
    )
    clean_end: Fraction = Field(
        0.1, description="last part of all steps, without mosaic and mixup (Ge et al. 2021)"
    )
    clean_size: bool = Field(
        False,
        description="in it, without expansion and crops either: objects are learned last at the "
        "size that they will be met with (Touvron et al. 2019)",
    )
