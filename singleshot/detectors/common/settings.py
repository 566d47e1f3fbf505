"""Tables under `model` that detectors of several families have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, FailFast, Field

from singleshot.backbones.kinds import AnyBackbone
from singleshot.settings import Count, Fraction, Positive, Settings

__all__ = [
    "Clip",
    "DetectorSettings",
    "InputFraction",
    "InputFractions",
    "Nms",
    "PixelSettings",
    "PriorShapes",
    "QuantizationSettings",
    "Resize",
    "ResultSettings",
    "SamplingSettings",
    "Side",
    "WideSamplingSettings",
]

LARGEST_PRIOR = 2  # times the input; the largest of any published detector is 1.12


def _fraction_of_input(number: float) -> float:
    """Check that a size is not in pixels, as Caffe's `min_sizes` are."""
    if number > LARGEST_PRIOR:
        raise ValueError(
            f"is no fraction of the input ({LARGEST_PRIOR} at most); 30 of 300 pixels is 0.1"
        )
    return number


InputFraction = Annotated[float, Field(gt=0), AfterValidator(_fraction_of_input)]
# One error is enough: the others are the same.
InputFractions = Annotated[tuple[InputFraction, ...], FailFast()]
PriorShape = Annotated[tuple[InputFraction, InputFraction], FailFast()]
PriorShapes = Annotated[tuple[PriorShape, ...], FailFast()]
Side = Annotated[int, Field(ge=32)]
GreyLevel = Annotated[float, Field(ge=0, le=255)]


def _require_pair(value: object) -> object:
    """Raise ValueError, with an example, for what is no list of two."""
    if isinstance(value, list | tuple) and len(value) == 2:
        return value
    side = value if isinstance(value, int) else 300
    raise ValueError(f"expected [height, width], such as [{side}, {side}]")


InputSize = Annotated[tuple[Side, Side], BeforeValidator(_require_pair)]
Resize = Literal["antialias", "torchvision", "opencv", "tensorflow1", "darknet"]
Clip = Literal["none", "size", "centre", "corners"]
Nms = Literal["hard", "distance", "soft", "weighted"]


class PixelSettings(Settings):
    """Mean that is subtracted from pixels, and standard deviation they are divided by."""

    mean: tuple[GreyLevel, GreyLevel, GreyLevel] = Field(description="of RGB values from 0 to 255")
    std: tuple[Positive, Positive, Positive] = (1, 1, 1)


class ResultSettings(Settings):
    """Post-processing from raw outputs to detections."""

    score_threshold: Fraction = Field(0.01, description="lower scores are dropped at once")
    iou_threshold: Fraction = Field(0.45, description="of NMS, within a class")
    top_k: Count = Field(400, description="candidates of each class that go into NMS")
    keep: Count = Field(200, description="detections kept of an image")
    clip_before_nms: bool = Field(
        False,
        description="clip boxes to the image first, as torchvision does; the original does not",
    )
    nms: Nms = Field(
        "hard",
        description="'hard': the paper's; 'distance': overlap less the distance of centres (Zheng "
        "et al. 2020); 'soft': scores decay (Bodla et al. 2017); 'weighted': the mean of a box "
        "and those it stands for, by score (Zhou et al. 2017)",
    )
    soft_sigma: Positive = Field(0.5, description="of soft NMS: how slowly scores decay")
    flip_tta: bool = Field(
        False,
        description="test-time augmentation: detect in the horizontally flipped image as well, "
        "with one NMS over both; twice the time",
    )


class SamplingSettings(Settings):
    """Sampling of the regions of an image to train on."""

    regions: Count = Field(64, description="of an image at most")
    positives: Fraction = Field(0.25, description="share of regions that show an object, at most")
    positive_iou: Fraction = Field(
        0.5, description="IoU with an object from which a region shows it"
    )
    background_iou: tuple[Fraction, Fraction] = Field(
        (0.1, 0.5), description="greatest IoU of background regions: from … up to below …"
    )


# Other defaults are tables of their own: where a recipe gives some of a table's keys, the others
# keep the values of the detector's paper.
class WideSamplingSettings(SamplingSettings):
    """Sampling of R-CNN and Faster R-CNN: background is everything of an IoU below one half."""

    regions: Count = Field(128, description="of an image at most")
    background_iou: tuple[Fraction, Fraction] = Field(
        (0.0, 0.5), description="greatest IoU of background regions: from … up to below …"
    )


class QuantizationSettings(Settings):
    """Fake quantisation: training with the rounding of int8 inference (train --quantize)."""

    weights: Literal["per-channel", "per-tensor"] = Field(
        "per-channel",
        description="scales of int8 weights: one for each output channel, or one for a tensor, "
        "for devices that have no others",
    )
    activations: Literal["affine", "symmetric"] = Field(
        "affine",
        description="'affine': uint8 with a zero point; 'symmetric': int8 without, as TensorRT "
        "wants it",
    )


class DetectorSettings(Settings):
    """The table `model`; each family adds its own keys."""

    kind: str
    input: InputSize = Field(description="(height, width) in pixels that images are resized to")
    resize: Resize = Field(
        "antialias",
        description="bilinear, 'antialias': averaging where it shrinks; the others: as that "
        "library does it, whose weights expect it",
    )
    pixels: PixelSettings | None = Field(
        None, description="mean and deviation of pixels; left out, the backbone's"
    )
    backbone: AnyBackbone
    results: ResultSettings = ResultSettings()
    quantization: QuantizationSettings | None = Field(
        None, description="fake quantisation of weights and feature maps; left out: none"
    )

    def class_columns(self, class_names: Sequence[str]) -> Sequence[str | int | None]:
        """Name the class that each column of the class outputs belongs to.

        None stands for the background, a number for an unused column. Empty, as here, where the
        outputs of a class cannot be separated from those of others.
        """
        del class_names
        return ()

    def searchable_weights(self) -> Mapping[str, float]:
        """Positive numbers that `singleshot tune` varies by default, by their key in `model`."""
        return {}

    def with_prior_shapes(
        self, shapes_unit: Sequence[Sequence[tuple[float, float]]]
    ) -> Mapping[str, object] | None:
        """Return the keys of `model` that give the priors of each level other shapes.

        Shapes are (width, height) as fractions of the input's sides. None where priors follow a
        rule or where there are none, as here.
        """
        del shapes_unit
        return None
