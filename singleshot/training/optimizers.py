"""Optimizer, learning-rate schedule and average of the weights."""

import math
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim import SGD, AdamW, Optimizer

from singleshot.backbones.vgg import L2Norm
from singleshot.recipes.training import ScheduleSettings, TrainingSettings

__all__ = ["WeightAverage", "build_optimizer", "rate_at", "set_learning_rate"]

FUSED = {"cpu", "cuda"}  # devices that have one kernel for the whole step
BETA2 = 0.999  # of AdamW's squared gradients (Kingma and Ba 2015, §2)
START_OF_WARM_UP = 0.001  # of the full rate


def build_optimizer(model: nn.Module, settings: TrainingSettings) -> Optimizer:
    """Build the optimizer of the trainable parameters; biases and normalisation are not decayed."""
    groups = _parameter_groups(model, settings)
    fused = next(model.parameters()).device.type in FUSED
    if settings.optimizer == "adamw":
        return AdamW(
            groups, lr=settings.learning_rate, betas=(settings.momentum, BETA2), fused=fused
        )
    return SGD(
        groups,
        lr=settings.learning_rate,
        momentum=settings.momentum,
        nesterov=settings.nesterov,
        fused=fused,
    )


def _parameter_groups(model: nn.Module, settings: TrainingSettings) -> list[dict[str, Any]]:
    """Group parameters by learning rate and weight decay.

    The original doubles the rate of a convolution's bias, though not of a batch norm's shift, and
    decays neither (model_libs.py).
    """
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for module_name, module in model.named_modules():
        in_backbone = module_name.partition(".")[0] == "backbone"
        for name, parameter in module.named_parameters(recurse=False):
            if not parameter.requires_grad:
                continue
            rate = settings.learning_rate
            rate *= settings.backbone_learning_rate if in_backbone else 1
            of_convolution = name == "bias" and not isinstance(module, _BatchNorm)
            rate *= settings.bias_learning_rate if of_convolution else 1
            # One number a channel: biases and normalisation. The original does decay its L2 norm.
            exempt = parameter.ndim <= 1 and not isinstance(module, L2Norm)
            decay = 0.0 if exempt else settings.weight_decay
            groups.setdefault((rate, decay), []).append(parameter)
    return [
        {"params": parameters, "lr": rate, "full_rate": rate, "weight_decay": decay}
        for (rate, decay), parameters in groups.items()
    ]


def set_learning_rate(optimizer: Optimizer, factor: float) -> None:
    """Multiply the full rate of every group with a factor of the schedule."""
    for group in optimizer.param_groups:
        group["lr"] = factor * group["full_rate"]


def rate_at(step: float, num_steps: int, settings: ScheduleSettings) -> float:
    """Compute the factor of the full rate at a step, counted from 0.

    Cosine: Loshchilov and Hutter 2017, without restarts.
    """
    # A warm-up longer than a tenth would leave a short training nothing.
    warm_up = min(settings.warm_up, num_steps / 10)
    start = START_OF_WARM_UP + (1 - START_OF_WARM_UP) * step / warm_up if step < warm_up else 1.0
    part = step / num_steps
    if settings.kind == "step":
        return start * settings.factor ** sum(
            part >= milestone for milestone in settings.milestones
        )
    cosine = (1 + math.cos(math.pi * part)) / 2
    return start * (settings.final + (1 - settings.final) * cosine)


class WeightAverage:
    """Exponential average of a model's weights, as a model in evaluation mode.

    Written here because torch's `AveragedModel` keeps its own counter and cannot average batch
    norm's statistics together with the weights under a decay that warms up.
    """

    def __init__(self, model: nn.Module, decay: float, *, keep_start: bool = False) -> None:
        """Begin with the weights of the model.

        Args:
            model: the one to average.
            decay: of the average, of a step. It is approached from below, since a young average
                would remember a random start.
            keep_start: use the decay from the first step on: the average of a short training stays
                near its start (Wortsman et al. 2022, "Robust fine-tuning of zero-shot models").
        """
        self.decay, self.keep_start = decay, keep_start
        self.model = deepcopy(model).eval().requires_grad_(False)
        # Listed once: going through the modules takes longer than the sums.
        self.values, self.averages = _floating_tensors(model), _floating_tensors(self.model)

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Add the weights after this step, counted from 1."""
        decay = self.decay if self.keep_start else min(self.decay, step / (step + 10))
        torch._foreach_lerp_(self.averages, self.values, 1 - decay)


def _floating_tensors(model: nn.Module) -> list[Tensor]:
    """List weights and statistics, but no counters."""
    return [tensor for tensor in model.state_dict().values() if tensor.is_floating_point()]
