"""In which numbers to compute: measured, not assumed."""

import time
from contextlib import AbstractContextManager
from copy import deepcopy
from typing import Literal

import torch

from singleshot.structures import Batch, Trainable

__all__ = ["autocast", "faster_precision"]

Precision = Literal["float32", "bfloat16"]


def autocast(device: torch.device, precision: Precision) -> AbstractContextManager[None]:
    """Convolutions in this precision; sums and losses stay in float32."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16")


def faster_precision(model: Trainable, batch: Batch, device: torch.device) -> Precision:
    """Time a step in both: bfloat16 halves memory traffic, yet loses where kernels are missing."""
    if device.type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float32"
    if device.type != "cpu":
        return "float32"
    trial = deepcopy(model)  # a step moves batch norm's statistics
    whole = seconds_of_a_step(trial, batch, device, "float32")
    half = seconds_of_a_step(trial, batch, device, "bfloat16")
    # A gain within the noise is not worth fewer digits.
    return "bfloat16" if half < 0.95 * whole else "float32"


def seconds_of_a_step(
    model: Trainable, batch: Batch, device: torch.device, precision: Precision
) -> float:
    times = []
    for _ in range(2):  # the first also compiles kernels
        start = time.perf_counter()
        with autocast(device, precision):
            losses = model.losses(batch)
        losses.total.backward()  # type: ignore[no-untyped-call]
        times.append(time.perf_counter() - start)
    return min(times)
