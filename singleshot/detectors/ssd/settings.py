"""Tables under `model` of an SSD.

Settings end at constructors: `Ssd.from_settings` translates them to parts, numbers and Literals.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, FailFast, Field, model_validator
from typing_extensions import assert_never

from singleshot.detectors.common.settings import (
    Clip,
    DetectorSettings,
    InputFractions,
    PriorShapes,
)
from singleshot.plugins import Extension, registered
from singleshot.settings import Count, Fraction, Positive, Settings

__all__ = [
    "ClassificationLossKind",
    "ExtraLevelSettings",
    "HeadSettings",
    "LocalizationLossKind",
    "LossSettings",
    "MatchingSettings",
    "PriorSettings",
    "PyramidSettings",
    "SsdSettings",
]


def _odd(number: int) -> int:
    """Check that a kernel is odd: an even one would add a row to its level."""
    if number % 2 == 0:
        raise ValueError("must be an odd number")
    return number


Odd = Annotated[int, Field(ge=1), AfterValidator(_odd)]
Activation = Literal["relu6", "relu"]
PyramidBlock = Literal["plain", "separable", "inverted", "residual"]
TopDownBlock = Literal["sum", "product"]
HeadBlock = Literal["plain", "separable", "residual"]
Scores = Literal["softmax", "sigmoid"]
MatchingRule = Literal["bipartite", "atss", "task-aligned", "simota"]
ClassificationLoss = Literal["mined", "focal", "quality-focal", "varifocal"]
LocalizationLoss = Literal["smooth-l1", "giou", "diou", "ciou"]


class ExtraLevelSettings(Settings):
    """One feature map above the backbone's: a 1 × 1 convolution, then usually a 3 × 3 one.

    In a residual block kernel, stride and padding are those of its first convolutions.
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

    block: PyramidBlock = Field(
        "plain",
        description="'plain': the paper's; 'separable': SSDLite's; 'inverted': "
        "MobileNetV2's inverted residual; 'residual': ResNet's, as in DSSD",
    )
    batch_norm: bool = Field(
        True,
        description="of separable and inverted blocks; without it their convolutions have a bias",
    )
    activation: Activation = Field("relu6", description="of separable and inverted blocks")
    extra: tuple[ExtraLevelSettings, ...] = ()
    top_down: int = Field(
        0, ge=0, description="channels of a top-down path through all levels; 0: none"
    )
    top_down_block: TopDownBlock = Field(
        "sum",
        description="'sum': a light one; 'product': DSSD's deconvolution modules, which leave the "
        "coarsest level as it is",
    )


class HeadSettings(Settings):
    """Predictors of offsets and logits at each level."""

    block: HeadBlock = Field(
        "plain",
        description="'plain': one 3 × 3 convolution; 'separable': SSDLite's; 'residual': DSSD's "
        "prediction module before it",
    )
    batch_norm: bool = Field(
        True, description="of separable heads; without it their convolutions have a bias"
    )
    activation: Activation = Field("relu6", description="of separable heads")
    kernels: tuple[Odd, ...] = Field(
        (), description="side of the convolution at each level; left out, 3 everywhere"
    )
    squeeze: tuple[Count, ...] = Field(
        (),
        description="of residual heads: channels within the module at each level; its output has "
        "four times as many; left out, 256 everywhere",
    )
    between: int = Field(
        0,
        ge=0,
        description="of residual heads: channels of a 3 × 3 convolution between the module and "
        "each predictor; 0: none",
    )
    scores: Scores = Field(
        "softmax",
        description="'softmax': over classes and a background; 'sigmoid': of each class by itself",
    )
    unused_columns: int = Field(
        0,
        ge=0,
        description="of a softmax, after the classes: weights trained with gaps in the class ids "
        "have some",
    )


class PriorSettings(Settings):
    """Sizes and aspect ratios of the priors by the paper's rule, or the shape of every prior."""

    sizes_unit: InputFractions = Field(
        (),
        description="fractions of the input's shorter side; one more than there are levels",
    )
    aspect_ratios: tuple[tuple[Positive, ...], ...] = Field(
        (), description="width / height, for each level; each is used with its inverse"
    )
    shapes_unit: Annotated[tuple[PriorShapes, ...], FailFast()] = Field(
        (),
        description="instead of both: (width, height) of each prior of a cell, for each level, as "
        "fractions of the input's sides",
    )
    strides: tuple[Positive, ...] = Field(
        (),
        description="pixels between centres, where they span the input; else input / grid",
    )
    first_centres: tuple[Positive, ...] = Field(
        (), description="pixels of the first centre at each level; left out, half a stride"
    )
    fixed_strides: bool = Field(
        False, description="use the strides even where they do not span the input"
    )
    whole_pixels: bool = Field(
        False, description="cut sizes to whole pixels, as the original's code does"
    )
    clip: Clip = Field(
        "none",
        description="limit to the input: 'size': width and height; 'centre': those and the centre; "
        "'corners': what reaches beyond is cut off; the original does none of it",
    )
    offset_scales: tuple[Positive, Positive] = Field(
        (0.1, 0.2), description="of the centre's offsets and of the size's; Caffe's 'variances'"
    )

    @property
    def num_levels(self) -> int:
        """Number of levels in the recipe; the network must have as many."""
        return len(self.shapes_unit or self.aspect_ratios)

    @model_validator(mode="after")
    def entries_for_each_level(self) -> PriorSettings:
        """Check that every key has one entry per level."""
        if bool(self.shapes_unit) == bool(self.sizes_unit or self.aspect_ratios):
            raise ValueError("give either sizes_unit with aspect_ratios, or shapes_unit")
        if not self.shapes_unit and len(self.sizes_unit) != self.num_levels + 1:
            raise ValueError(
                f"{self.num_levels} levels of aspect_ratios need one more size than that, "
                f"but sizes_unit has {len(self.sizes_unit)}"
            )
        for key in ("strides", "first_centres"):
            number = len(getattr(self, key))
            if number not in {0, self.num_levels}:
                raise ValueError(f"{key} has {number} entries for {self.num_levels} levels")
        return self


class MatchingSettings(Settings):
    """The rule that matches priors to objects, and the number of hard negatives."""

    rule: MatchingRule = Field(
        "bipartite",
        description="'bipartite': the paper's; 'atss': a threshold for each object (Zhang et al. "
        "2020); 'task-aligned' (Feng et al. 2021) and 'simota' (Ge et al. 2021): by the "
        "network's predictions",
    )
    iou_threshold: Fraction = Field(
        0.5, description="bipartite: IoU from which on a prior is matched to an object"
    )
    candidates: Count | None = Field(
        None,
        description="candidate priors of an object; left out, the paper's number: 'atss': of 9 "
        "cells at each level, 'task-aligned': 13, 'simota': 10",
    )
    negatives_per_positive: Positive = Field(
        3.0, description="hard negatives for each matched prior"
    )
    min_negatives: int = Field(
        0, ge=0, description="least number of hard negatives of an image, with objects or without"
    )


@dataclass(frozen=True)
class ClassificationLossKind(Extension):
    """A classification loss of a plugin, with sigmoid scores, on all priors.

    `compute` takes logits and targets, both (batch, priors, classes), and returns the sum over all.
    Targets are 1 at matched priors for their label; the sum is divided by the number of matches.
    """

    name: str  # value of `model.loss.classification`
    compute: Callable[[Any, Any], Any]

    @property
    def key(self) -> str:
        """The name in a recipe."""
        return self.name


@dataclass(frozen=True)
class LocalizationLossKind(Extension):
    """A localization loss of a plugin.

    `compute` takes predicted and ground-truth boxes, both (n, 4) corners in pixels of the input,
    and returns the loss of each.
    """

    name: str  # value of `model.loss.localization`
    compute: Callable[[Any, Any], Any]

    @property
    def key(self) -> str:
        """The name in a recipe."""
        return self.name


def classification_loss_of(name: str) -> ClassificationLoss | ClassificationLossKind:
    """Find the classification loss of this name; raises ValueError that lists all."""
    names: tuple[ClassificationLoss, ...] = get_args(ClassificationLoss)
    losses: dict[str, ClassificationLoss | ClassificationLossKind] = {each: each for each in names}
    losses |= {loss.name: loss for loss in registered(ClassificationLossKind)}
    if name not in losses:
        raise ValueError(f"there are {', '.join(losses)}")
    return losses[name]


def localization_loss_of(name: str) -> LocalizationLoss | LocalizationLossKind:
    """Find the localization loss of this name; raises ValueError that lists all."""
    names: tuple[LocalizationLoss, ...] = get_args(LocalizationLoss)
    losses: dict[str, LocalizationLoss | LocalizationLossKind] = {each: each for each in names}
    losses |= {loss.name: loss for loss in registered(LocalizationLossKind)}
    if name not in losses:
        raise ValueError(f"there are {', '.join(losses)}")
    return losses[name]


def require_classification_loss(name: str) -> str:
    """Check that there is such a classification loss."""
    classification_loss_of(name)
    return name


def require_localization_loss(name: str) -> str:
    """Check that there is such a localization loss."""
    localization_loss_of(name)
    return name


class LossSettings(Settings):
    """The two terms of the loss."""

    classification: Annotated[str, AfterValidator(require_classification_loss)] = Field(
        "mined",
        description="'mined': cross-entropy on matches and the hardest negatives, the paper's; "
        "the others on all priors: 'focal' (Lin et al. 2017), 'quality-focal' (Li et al. 2020), "
        "'varifocal' (Zhang et al. 2021), or a plugin's",
        json_schema_extra={"enum": list(get_args(ClassificationLoss))},
    )
    localization: Annotated[str, AfterValidator(require_localization_loss)] = Field(
        "smooth-l1",
        description="'smooth-l1' of the offsets, the paper's; the others are of the boxes' IoU, or "
        "a plugin's",
        json_schema_extra={"enum": list(get_args(LocalizationLoss))},
    )
    localization_weight: Positive = Field(1.0, description="of localization, in the sum")
    label_smoothing: Fraction = Field(
        0.0, description="of mined cross-entropy: probability taken from the true class"
    )

    @property
    def is_focal(self) -> bool:
        """Classification is of independent classes, on all priors, as focal losses."""
        loss = classification_loss_of(self.classification)
        match loss:
            case "mined":
                return False
            case "focal" | "quality-focal" | "varifocal" | ClassificationLossKind():
                return True
            case _:
                assert_never(loss)


class SsdSettings(DetectorSettings):
    """A Single Shot MultiBox Detector."""

    kind: Literal["ssd"] = "ssd"
    pyramid: PyramidSettings = PyramidSettings()
    heads: HeadSettings = HeadSettings()
    priors: PriorSettings
    matching: MatchingSettings = MatchingSettings()
    loss: LossSettings = LossSettings()

    @model_validator(mode="after")
    def loss_fits_scores(self) -> SsdSettings:
        """Check that focal losses have sigmoid scores."""
        if self.loss.is_focal and self.heads.scores != "sigmoid":
            raise ValueError(
                f"loss.classification = {self.loss.classification!r} is of independent classes; "
                f"it needs heads.scores = 'sigmoid'"
            )
        return self

    def class_columns(self, class_names: Sequence[str]) -> Sequence[str | int | None]:
        """Name the class of each column: of a softmax the background is first."""
        if self.heads.scores == "sigmoid":
            return class_names
        return [None, *class_names, *range(self.heads.unused_columns)]

    def searchable_weights(self) -> Mapping[str, float]:
        """The weight of localization against classification."""
        return {"loss.localization_weight": self.loss.localization_weight}

    def with_prior_shapes(
        self, shapes_unit: Sequence[Sequence[tuple[float, float]]]
    ) -> Mapping[str, object] | None:
        """Replace sizes and aspect ratios by the shape of every prior."""
        shapes = [[list(shape) for shape in level] for level in shapes_unit]
        # Empty lists take the place of what a recipe is based on.
        return {
            "priors.sizes_unit": [],
            "priors.aspect_ratios": [],
            "priors.shapes_unit": shapes,
        }
