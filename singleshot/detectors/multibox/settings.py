"""The table `model` of MultiBox."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import FailFast, Field

from singleshot.backbones.kinds import AnyBackbone
from singleshot.detectors.common.settings import (
    DetectorSettings,
    InputFraction,
    WideSamplingSettings,
)
from singleshot.settings import Count, Fraction, Positive, Settings

__all__ = ["MultiBoxSettings", "PostClassifierSettings", "SomeSamplingSettings"]

# Sides of the priors of each grid, as fractions of the image's: finest grid first.
Size = InputFraction
Sizes = Annotated[tuple[Size, Size, Size, Size, Size, Size], FailFast()]


class SomeSamplingSettings(WideSamplingSettings):
    """Sampling among few proposals."""

    regions: Count = Field(32, description="of an image at most")


class PostClassifierSettings(Settings):
    """A second network, which classifies proposals one by one (Szegedy et al. 2015, §5)."""

    backbone: AnyBackbone
    warped: Count = Field(
        299, ge=32, description="side of a proposal as the network's input, in pixels"
    )
    context: int = Field(0, ge=0, description="pixels around the proposal in it")
    begins: Fraction = Field(
        0.5, description="part of the training after which it is trained, and the boxes are fixed"
    )
    proposals: Count = Field(20, description="best of an image, which are classified")
    iou_threshold: Fraction = Field(0.5, description="of NMS among proposals")
    sampling: SomeSamplingSettings = SomeSamplingSettings()


class MultiBoxSettings(DetectorSettings):
    """MultiBox (Erhan et al. 2014), multi-scale convolutional (Szegedy et al. 2015)."""

    kind: Literal["multibox"]
    sizes_unit: Sizes = Field(
        (0.1, 0.27, 0.44, 0.61, 0.78, 0.95),
        description="of the priors of the grids 8, 6, 4, 3 and 2, as fractions of the image's "
        "sides, and where the next ones would begin",
    )
    localization_weight: Positive = Field(
        0.3, description="α, of half the squared distance of corners as fractions of the image"
    )
    classifier: PostClassifierSettings
