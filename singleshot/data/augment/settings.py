"""Settings of augmentation: the tables under `augmentation`."""

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
    """Expansion: the image on a larger canvas, so that objects become small."""

    probability: Fraction = 0.5
    up_to: float = Field(4.0, ge=1, description="side of the canvas, in sides of the image")


class CropSettings(Settings):
    """The batch sampler: crops that overlap some object by a minimum IoU."""

    probability: Fraction = Field(1.0, description="of drawing crops at all")
    min_ious: tuple[Fraction, ...] = Field(
        (0.1, 0.3, 0.5, 0.7, 0.9, 0.0), description="one sampler each; 0.0: any crop"
    )
    scale: Range = Field((0.3, 1.0), description="√(area of the crop / area of the canvas)")
    aspect_ratio: Range = (0.5, 2.0)
    trials: Count = Field(50, description="of each sampler")


class AugmentationSettings(Settings):
    """Variations of training images (paper §2.2 and §3.6), in this order."""

    photometric: PhotometricSettings = PhotometricSettings()
    expand: ExpandSettings = ExpandSettings()
    crop: CropSettings = CropSettings()
    flip: Fraction = Field(0.5, description="probability of a horizontal flip")
    vertical_flip: Fraction = Field(
        0.0, description="probability of a vertical flip, for images without an up: cells, aerial"
    )
    interpolations: tuple[Literal["nearest", "area", "bilinear", "bicubic", "lanczos"], ...] = (
        Field(("bilinear",), min_length=1, description="one is chosen each time")
    )
    mosaic: Fraction = Field(
        0.0, description="probability of four images in one (Bochkovskiy et al. 2020)"
    )
    mixup: Fraction = Field(
        0.0,
        description="probability of blending in a second image, half and half (Zhang et al. 2018, "
        "Ge et al. 2021)",
    )
    paste: Fraction = Field(
        0.0,
        description="probability of pasting objects of rare classes from another image (Ghiasi et "
        "al. 2021, for boxes)",
    )
    paste_share: Fraction = Field(
        0.1, description="a class in a smaller share of the training images is rare, to be pasted"
    )
    clean_end: Fraction = Field(
        0.1, description="last part of all steps, without mosaic, mixup and paste (Ge et al. 2021)"
    )
    clean_size: bool = Field(
        False,
        description="in it, no expansion and crops either: the last images have objects of the "
        "size they have in detection (Touvron et al. 2019)",
    )
