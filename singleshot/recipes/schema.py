"""Every knob there is: its name, type, bounds, default and a line on what it does.

A recipe is a TOML file of these keys. Unknown keys are errors that name the nearest known one.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

__all__ = [
    "AugmentationSettings",
    "BackboneSettings",
    "HeadSettings",
    "ModelSettings",
    "PriorSettings",
    "PyramidSettings",
    "Recipe",
    "ResultSettings",
    "TimmSettings",
    "TrainingSettings",
    "Vgg16Settings",
]

Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Range = tuple[Positive, Positive]


class Settings(BaseModel):
    """Frozen, and closed to keys that are not declared."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Vgg16Settings(Settings):
    """The paper's VGG16: fc6 and fc7 as convolutions, conv4_3 normalised (§3, §3.1)."""

    kind: Literal["vgg16"] = "vgg16"
    name: Literal["vgg16-reduced"] = "vgg16-reduced"
    weights: str = Field("none", description="'none', or a file of torchvision's vgg16 weights")


class TimmSettings(Settings):
    """Any timm model that gives feature maps."""

    kind: Literal["timm"] = "timm"
    name: str = Field(description="timm's name of the model")
    strides: tuple[Count, ...] = Field(
        (16, 32), min_length=1, description="which feature maps, by their stride, finest first"
    )
    weights: str = Field(
        "installed", description="'installed' (a package that carries them), 'none', or a file"
    )
    batch_norm: Literal["train", "frozen"] = Field(
        "train",
        description="'frozen' keeps the pretrained statistics and folds them into the convolutions",
    )
    frozen_stride: int = Field(
        0, ge=0, description="stages up to this stride keep pretrained weights; 0: all learn"
    )

    @field_validator("strides")
    @classmethod
    def finest_first(cls, strides: tuple[int, ...]) -> tuple[int, ...]:
        """Levels go from fine to coarse."""
        if list(strides) != sorted(set(strides)):
            raise ValueError("strides rise, as in [8, 16, 32]")
        return strides


BackboneSettings = Annotated[Vgg16Settings | TimmSettings, Field(discriminator="kind")]


class ExtraLevel(Settings):
    """One feature map added on top: a 1 × 1 convolution that squeezes, then a 3 × 3 one."""

    squeeze: Count = Field(description="channels between the two convolutions")
    channels: Count = Field(description="channels of the new level")
    kernel: Count = Field(3, description="side of the second convolution")
    stride: Count = Field(2, description="of the second convolution")
    padding: int = Field(1, ge=0, description="of the second convolution")


class PyramidSettings(Settings):
    """The levels above the backbone's."""

    block: Literal["plain", "separable"] = Field(
        "plain",
        description="'plain': the paper's; 'separable': SSDLite's, with batch norm and ReLU6",
    )
    extra: tuple[ExtraLevel, ...] = ()
    top_down: int = Field(
        0, ge=0, description="channels of a light top-down path through all levels; 0: none"
    )


class HeadSettings(Settings):
    """What predicts offsets and logits at each level."""

    block: Literal["plain", "separable"] = Field(
        "plain", description="'plain': one 3 × 3 convolution; 'separable': SSDLite's"
    )


class PriorSettings(Settings):
    """Sizes and shapes of the priors; one more size than there are levels."""

    sizes_unit: tuple[Positive, ...] = Field(description="fractions of the input's shorter side")
    aspect_ratios: tuple[tuple[Positive, ...], ...] = Field(
        description="width / height, for each level; each is used with its inverse"
    )
    strides: tuple[Positive, ...] = Field(
        (),
        description="pixels between centres, where they span the input; else input / grid",
    )
    whole_pixels: bool = Field(
        False, description="cut sizes to whole pixels, as the original's code does"
    )

    @model_validator(mode="after")
    def one_more_size_than_levels(self) -> PriorSettings:
        """As many entries as the network has levels, everywhere."""
        if len(self.sizes_unit) != len(self.aspect_ratios) + 1:
            raise ValueError(
                f"{len(self.aspect_ratios)} levels of aspect_ratios want one more size than that, "
                f"but sizes_unit has {len(self.sizes_unit)}"
            )
        if self.strides and len(self.strides) != len(self.aspect_ratios):
            raise ValueError(
                f"strides has {len(self.strides)} entries, aspect_ratios {len(self.aspect_ratios)}"
            )
        return self


class MatchingSettings(Settings):
    """Which priors learn which objects."""

    iou_threshold: Fraction = Field(
        0.5, description="from this overlap on a prior learns an object"
    )
    negatives_per_positive: Positive = Field(
        3.0, description="hard negatives for each matched prior"
    )
    min_negatives: int = Field(
        0, ge=0, description="hard negatives of a picture at least, objects or not"
    )


class ResultSettings(Settings):
    """From raw outputs to detections."""

    score_threshold: Fraction = Field(0.01, description="lower scores are dropped at once")
    iou_threshold: Fraction = Field(0.45, description="of suppression, within a class")
    top_k: Count = Field(400, description="candidates of each class that go into suppression")
    keep: Count = Field(200, description="detections kept of a picture")
    clip_before_suppression: bool = Field(
        False,
        description="clip boxes to the picture first, as torchvision does; the original does not",
    )


class ModelSettings(Settings):
    """The detector."""

    input: tuple[Annotated[int, Field(ge=32)], Annotated[int, Field(ge=32)]] = Field(
        description="(height, width) in pixels that pictures are resized to"
    )
    antialias: bool = Field(
        True, description="resize with antialiasing; torchvision and OpenCV do not"
    )
    backbone: BackboneSettings
    pyramid: PyramidSettings = PyramidSettings()
    heads: HeadSettings = HeadSettings()
    priors: PriorSettings
    matching: MatchingSettings = MatchingSettings()
    results: ResultSettings = ResultSettings()


class PhotometricSettings(Settings):
    """Colour distortion; each part happens with its probability."""

    probability: Fraction = Field(0.5, description="of each of the four parts")
    brightness: float = Field(32, ge=0, le=255, description="grey levels added or taken at most")
    contrast: Range = Field((0.5, 1.5), description="factor")
    saturation: Range = Field((0.5, 1.5), description="factor, in HSV")
    hue: float = Field(36, ge=0, le=180, description="degrees of rotation at most, in HSV")


class ExpandSettings(Settings):
    """The picture placed on a larger canvas, so that objects become small."""

    probability: Fraction = 0.5
    up_to: float = Field(4.0, ge=1, description="side of the canvas, in sides of the picture")


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
    """How training pictures are varied (paper §2.2 and §3.6), in this order."""

    photometric: PhotometricSettings = PhotometricSettings()
    expand: ExpandSettings = ExpandSettings()
    crop: CropSettings = CropSettings()
    flip: Fraction = Field(0.5, description="probability of mirroring left to right")
    interpolations: tuple[Literal["nearest", "area", "bilinear", "bicubic", "lanczos"], ...] = (
        Field(("bilinear",), min_length=1, description="one is chosen each time")
    )


class ScheduleSettings(Settings):
    """The learning rate over the training."""

    kind: Literal["cosine", "step"] = "cosine"
    warm_up: float = Field(
        0, ge=0, description="optimizer steps from a thousandth to the full rate"
    )
    milestones: tuple[Fraction, ...] = Field(
        (2 / 3, 5 / 6), description="of a step schedule: parts of the training after which …"
    )
    factor: Fraction = Field(0.1, description="… the rate is multiplied by this")
    final: Fraction = Field(
        0.0, description="of a cosine schedule: where it ends, of the full rate"
    )


class TrainingSettings(Settings):
    """Optimizer, schedule and bookkeeping."""

    epochs: Count | None = Field(None, description="passes over the data; exclusive with steps")
    steps: Count | None = Field(None, description="optimizer steps; exclusive with epochs")
    batch_size: Count = 16
    learning_rate: Positive = 0.01
    momentum: Fraction = 0.9
    nesterov: bool = False
    weight_decay: float = Field(5e-4, ge=0, description="not applied to biases and normalisation")
    bias_learning_rate: Positive = Field(1.0, description="of biases, times the learning rate")
    backbone_learning_rate: Positive = Field(
        1.0, description="of the backbone, times the learning rate"
    )
    schedule: ScheduleSettings = ScheduleSettings()
    average_decay: Fraction = Field(
        0.0, description="of the exponential average of weights; 0: none"
    )
    clip_gradient: float = Field(0.0, ge=0, description="largest norm of the gradient; 0: any")
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="'auto' measures once and takes the faster"
    )
    validate_every: Count = Field(5, description="epochs between validations")
    seed: int = Field(0, ge=0)
    workers: int = Field(0, ge=0, description="processes that prepare pictures; 0: this one")
    cache: Fraction = Field(
        0.3,
        description="keep decoded pictures in memory if they take at most this share of it",
    )

    @model_validator(mode="after")
    def epochs_or_steps(self) -> TrainingSettings:
        """Exactly one of the two says how long."""
        if (self.epochs is None) == (self.steps is None):
            raise ValueError("give either epochs or steps")
        return self


class Recipe(Settings):
    """What to do: the detector, how pictures are varied, how it is trained."""

    model: ModelSettings
    augmentation: AugmentationSettings = AugmentationSettings()
    training: TrainingSettings
