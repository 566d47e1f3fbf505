"""The table `training` of a recipe: optimizer, schedule, validation and data loading."""

from __future__ import annotations

import math
from typing import Literal, TypeAlias

from pydantic import Field, model_validator

from singleshot.settings import Count, Fraction, Positive, Settings

__all__ = [
    "DistillationSettings",
    "OptimizerName",
    "ScheduleSettings",
    "TrainingSettings",
    "describe_scaling",
    "scale_rate",
]

OptimizerName: TypeAlias = Literal["sgd", "adamw"]


def scale_rate(rate: float, factor: float, optimizer: OptimizerName) -> float:
    """Compute the learning rate for batches of `factor` times as many images.

    Of SGD it grows as the batch does (Goyal et al. 2017, §2.1: "when the minibatch size is
    multiplied by k, multiply the learning rate by k"), of AdamW as its square root (Malladi et al.
    2022, "On the SDEs and Scaling Rules for Adaptive Gradient Algorithms").
    """
    return rate * (math.sqrt(factor) if optimizer == "adamw" else factor)


def describe_scaling(optimizer: OptimizerName) -> str:
    """Describe how `scale_rate` scales, and whose rule this is."""
    if optimizer == "adamw":
        return "scaled by the square root of the batch (Malladi et al. 2022)"
    return "scaled with the batch (Goyal et al. 2017)"


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


class DistillationSettings(Settings):
    """Distillation from a teacher (--teacher)."""

    weight: float = Field(
        1.0, ge=0, description="of the distillation loss, in the sum; the labels' loss has 1"
    )
    score_threshold: Fraction = Field(
        0.3,
        description="of a teacher with other priors: its detections with lower scores are left out",
    )


class TrainingSettings(Settings):
    """Optimizer, schedule, validation and data loading."""

    epochs: Count | None = Field(None, description="passes over the data; exclusive with steps")
    steps: Count | None = Field(None, description="optimizer steps; exclusive with epochs")
    batch_size: Count = Field(
        16, description="images in a step; 'auto' is short for largest_batch = true"
    )
    largest_batch: bool = Field(
        False,
        description="as many images in a step as memory takes; learning_rate is that of batch_size "
        "images, scaled to the larger batch: linearly (Goyal et al. 2017, §2.1), of AdamW by the "
        "square root (Malladi et al. 2022)",
    )
    accumulate: Count = Field(
        1,
        description="parts in which a process computes the gradient of its images, to take "
        "less memory; batch norm normalises each part alone",
    )
    optimizer: OptimizerName = Field(
        "sgd",
        description="'sgd', the paper's; 'adamw' (Loshchilov and Hutter 2019) learns more in few "
        "steps, at about a tenth of the rate and a thousand times the weight decay",
    )
    learning_rate: Positive = 0.01
    momentum: Fraction = Field(0.9, description="SGD's momentum; AdamW's β₁")
    nesterov: bool = Field(False, description="of SGD")
    weight_decay: float = Field(
        5e-4,
        ge=0,
        description="not applied to biases and normalisation; of AdamW decoupled: times the "
        "learning rate",
    )
    bias_learning_rate: Positive = Field(1.0, description="of biases, times the learning rate")
    backbone_learning_rate: Positive = Field(
        1.0, description="of the backbone, times the learning rate"
    )
    schedule: ScheduleSettings = ScheduleSettings()
    distillation: DistillationSettings = DistillationSettings()
    frozen: tuple[str, ...] = Field(
        (),
        description="parts of the detector that are not trained: 'backbone', 'heads' and whatever "
        "else it has; 'batch_norm': statistics, scales and shifts of every batch norm",
    )
    batch_norm: Literal["synchronised", "local", "frozen"] = Field(
        "synchronised",
        description="statistics of the images of all processes, or of each process alone; "
        "'frozen': statistics, scales and shifts stay as the training starts with them",
    )
    stop_when_worse: bool = Field(
        True,
        description="of a start from a detector (--init): end with an error when the loss climbs "
        "to twice its first values, or a validation falls to half of the start's",
    )
    average_decay: Fraction = Field(
        0.0, description="of the exponential average of weights; 0: none"
    )
    average_with_start: bool = Field(
        False,
        description="of a start from a detector (--init): its weights are in the average with the "
        "decay from the first step on, so that a short training stays near it (Wortsman et al. "
        "2022)",
    )
    clip_gradient: float = Field(0.0, ge=0, description="largest norm of the gradient; 0: any")
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto",
        description="'auto': bfloat16 on a GPU where it is measured to be faster, else float32; a "
        "CPU's gradients are not always correct in bfloat16",
    )
    validate_every: Count = Field(5, description="epochs between validations")
    validation_images: int = Field(
        0, ge=0, description="that are validated on, drawn evenly from those there are; 0: all"
    )
    patience: Count | None = Field(
        None, description="validations without a new best after which the training ends"
    )
    repeat_threshold: Fraction = Field(
        0.0,
        description="draw images of a class that is in a share f below this of all images "
        "√(threshold / f) times as often as others (Gupta et al. 2019, repeat-factor sampling); "
        "0: all equally often",
    )
    compile: bool = Field(False, description="let PyTorch compile the network (torch.compile)")
    seed: int = Field(0, ge=0)
    workers: int | None = Field(
        None,
        ge=0,
        description="processes that prepare images; 0: this one; left out, on Linux 1, beside a "
        "GPU as many as there are cores for, up to 8, elsewhere 0",
    )
    cache: Fraction = Field(
        0.3,
        description="keep decoded images, as many as take at most this share of the free memory, "
        "or of the disk's free space with cache_folder; 0: none",
    )
    cache_side: int = Field(
        0,
        ge=0,
        description="pixels to which the shorter side of larger images is shrunk before they are "
        "cached and augmented, so that more of them fit; 0: as they are",
    )
    cache_folder: str | None = Field(
        None,
        description="keep decoded images in a file in this folder, which all processes and "
        "trainings on the machine share; left out: in memory",
    )

    @property
    def frozen_parts(self) -> tuple[str, ...]:
        """Parts that are not trained, batch norms among them where they are frozen."""
        of_batch_norm = ("batch_norm",) if self.batch_norm == "frozen" else ()
        return tuple(dict.fromkeys((*self.frozen, *of_batch_norm)))

    @model_validator(mode="after")
    def epochs_or_steps(self) -> TrainingSettings:
        """Require exactly one of the two."""
        if (self.epochs is None) == (self.steps is None):
            raise ValueError("give either epochs or steps")
        return self

    @model_validator(mode="after")
    def nesterov_is_of_sgd(self) -> TrainingSettings:
        """Refuse what AdamW ignores."""
        if self.nesterov and self.optimizer == "adamw":
            raise ValueError("nesterov needs optimizer = 'sgd'")
        return self
