"""The tables under `model` of an SSD, and what other detectors share with it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from singleshot.backbones.settings import BackboneSettings
from singleshot.detectors.ssd.learning_settings import LossSettings, MatchingSettings
from singleshot.detectors.ssd.prior_settings import PriorSettings
from singleshot.settings import Count, Fraction, Positive, Settings

__all__ = [
    "ExtraLevel",
    "HeadSettings",
    "PixelSettings",
    "PyramidSettings",
    "Resize",
    "ResultSettings",
    "Side",
    "SsdSettings",
]


def odd(number: int) -> int:
    """Or a convolution would give one place more than its level has."""
    if number % 2 == 0:
        raise ValueError("wants an odd number")
    return number


Side = Annotated[int, Field(ge=32)]
GreyLevel = Annotated[float, Field(ge=0, le=255)]
Odd = Annotated[int, Field(ge=1), AfterValidator(odd)]


class PixelSettings(Settings):
    """What is taken from the pixels, and what the rest is divided by."""

    mean: tuple[GreyLevel, GreyLevel, GreyLevel] = Field(description="of RGB values from 0 to 255")
    std: tuple[Positive, Positive, Positive] = (1, 1, 1)


class ExtraLevel(Settings):
    """One feature map added on top: a 1 × 1 convolution that squeezes, then a 3 × 3 one.

    In a residual block the kernel, stride and padding are those of its first convolutions.
    """

    squeeze: Count = Field(description="channels between the two convolutions")
    channels: Count = Field(description="channels of the new level")
    kernel: Count = Field(3, description="side of the second convolution")
    stride: Count = Field(2, description="of the second convolution")
    padding: Annotated[int, Field(ge=0)] | Literal["same"] = Field(
        1, description="of the second convolution; 'same': as TensorFlow pads"
    )


class PyramidSettings(Settings):
    """The levels above the backbone's."""

    block: Literal["plain", "separable", "inverted", "residual"] = Field(
        "plain",
        description="'plain': the paper's; 'separable': SSDLite's; 'inverted': "
        "MobileNetV2's inverted residual; 'residual': ResNet's, as in DSSD",
    )
    batch_norm: bool = Field(
        True,
        description="of separable and inverted blocks; without it their convolutions have a bias",
    )
    activation: Literal["relu6", "relu"] = Field(
        "relu6", description="of separable and inverted blocks"
    )
    extra: tuple[ExtraLevel, ...] = ()
    top_down: int = Field(
        0, ge=0, description="channels of a top-down path through all levels; 0: none"
    )
    top_down_block: Literal["sum", "product"] = Field(
        "sum",
        description="'sum': a light one; 'product': DSSD's deconvolution modules, which leave the "
        "coarsest level as it is",
    )


class HeadSettings(Settings):
    """What predicts offsets and logits at each level."""

    block: Literal["plain", "separable", "residual"] = Field(
        "plain",
        description="'plain': one 3 × 3 convolution; 'separable': SSDLite's; 'residual': DSSD's "
        "prediction module before it",
    )
    batch_norm: bool = Field(
        True, description="of separable heads; without it their convolutions have a bias"
    )
    activation: Literal["relu6", "relu"] = Field("relu6", description="of separable heads")
    kernels: tuple[Odd, ...] = Field(
        (), description="side of the convolution at each level; left out, 3 everywhere"
    )
    squeeze: tuple[Count, ...] = Field(
        (),
        description="of residual heads: channels within the module at each level; it gives four "
        "times as many; left out, 256 everywhere",
    )
    between: int = Field(
        0,
        ge=0,
        description="of residual heads: channels of a 3 × 3 convolution between the module and "
        "each predictor; 0: none",
    )
    scores: Literal["softmax", "sigmoid"] = Field(
        "softmax",
        description="'softmax': classes and a background compete; 'sigmoid': each class by itself",
    )
    unused_columns: int = Field(
        0,
        ge=0,
        description="of a softmax, after the classes: weights trained with gaps in the class ids "
        "have some",
    )


class ResultSettings(Settings):
    """From raw outputs to detections."""

    score_threshold: Fraction = Field(0.01, description="lower scores are dropped at once")
    iou_threshold: Fraction = Field(0.45, description="of suppression, within a class")
    top_k: Count = Field(400, description="candidates of each class that go into suppression")
    keep: Count = Field(200, description="detections kept of an image")
    clip_before_suppression: bool = Field(
        False,
        description="clip boxes to the image first, as torchvision does; the original does not",
    )
    suppression: Literal["hard", "distance", "soft", "weighted"] = Field(
        "hard",
        description="'hard': the paper's; 'distance': overlap less the distance of centres (Zheng "
        "et al. 2020); 'soft': scores decay (Bodla et al. 2017); 'weighted': what is suppressed "
        "still votes on the box (Zhou et al. 2017)",
    )
    soft_sigma: Positive = Field(0.5, description="of soft suppression: how slowly scores decay")
    mirror: bool = Field(
        False,
        description="look at the mirrored image, too, and suppress all boxes together; twice the "
        "time",
    )


Resize = Literal["antialias", "torchvision", "opencv", "tensorflow1", "darknet"]


class SsdSettings(Settings):
    """A Single Shot MultiBox Detector."""

    kind: Literal["ssd"] = "ssd"
    input: tuple[Side, Side] = Field(
        description="(height, width) in pixels that images are resized to"
    )
    resize: Resize = Field(
        "antialias",
        description="bilinear, 'antialias': averaging where it shrinks; the others: as that "
        "library does it, whose weights expect it",
    )
    pixels: PixelSettings | None = Field(
        None, description="mean and deviation of pixels; left out, the backbone's"
    )
    backbone: BackboneSettings
    pyramid: PyramidSettings = PyramidSettings()
    heads: HeadSettings = HeadSettings()
    priors: PriorSettings
    matching: MatchingSettings = MatchingSettings()
    loss: LossSettings = LossSettings()
    results: ResultSettings = ResultSettings()

    @model_validator(mode="after")
    def loss_fits_scores(self) -> SsdSettings:
        """Focal losses judge each class by itself."""
        if self.loss.classification != "mined" and self.heads.scores != "sigmoid":
            raise ValueError(
                f"loss.classification = {self.loss.classification!r} judges each class by itself; "
                f"it wants heads.scores = 'sigmoid'"
            )
        return self
