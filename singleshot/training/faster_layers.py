"""Faster layers for training on processors, with the results of the plain ones."""

from __future__ import annotations

import torch
from torch import nn

from singleshot.detectors.common.quantization import is_quantized
from singleshot.training.activations import avoid_copies
from singleshot.training.depthwise import split_wide_gradients
from singleshot.training.frozen_layers import fuse_frozen_layers
from singleshot.training.precision import Precision

__all__ = ["use_faster_layers"]


def use_faster_layers(model: nn.Module, device: torch.device, precision: Precision) -> None:
    """Replace layers that have a faster form on processors in float32; weights keep their names.

    Those of a quantised model stay, since they also round.
    """
    if device.type == "cpu" and precision == "float32" and not is_quantized(model):
        fuse_frozen_layers(model)
        split_wide_gradients(model)
        avoid_copies(model)
