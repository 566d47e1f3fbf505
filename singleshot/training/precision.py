"""In which numbers to compute."""

from contextlib import AbstractContextManager
from typing import Literal

import torch

__all__ = ["autocast", "precision_on"]

Precision = Literal["float32", "bfloat16"]


def autocast(device: torch.device, precision: Precision) -> AbstractContextManager[None]:
    """Convolutions in this precision; sums and losses stay in float32."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16")


def precision_on(device: torch.device) -> Precision:
    """Half of the digits where they are the faster and the gradients sound.

    On a processor bfloat16 gained nothing (measured on Zen 4), and now and then the gradient of a
    depthwise convolution was not finite there (once in 150 passes, PyTorch 2.15).
    """
    if device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False):
        return "bfloat16"
    return "float32"
