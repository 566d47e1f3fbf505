"""Faster layers for training on processors, with the results of the plain ones."""

from __future__ import annotations

import torch
from torch import nn

from singleshot.training.depthwise import split_wide_gradients
from singleshot.training.precision import Precision

__all__ = ["use_faster_layers"]


def use_faster_layers(model: nn.Module, device: torch.device, precision: Precision) -> None:
    """Replace layers that have a faster form on processors in float32; weights keep their names."""
    if device.type == "cpu" and precision == "float32":
        split_wide_gradients(model)
