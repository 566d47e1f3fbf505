"""Choose the precision of training: float32, or bfloat16 where it is faster."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager
from copy import deepcopy
from typing import Literal, NamedTuple

import torch
from torch import nn

from singleshot.detectors.detector import TrainableDetector
from singleshot.structures import Batch, Truth

__all__ = ["Precision", "autocast", "bfloat16_is_worth_it", "measured_precision"]

Precision = Literal["float32", "bfloat16"]

IMAGES = 2  # batch norm needs as many
ROUNDS = 3
SECONDS = 2.0  # after which no further round begins
GAIN = 1.1  # times faster, from which bfloat16 is worth its lost digits


class Pass(NamedTuple):
    """A forward and a backward pass."""

    seconds: float
    finite: bool  # all gradients


def autocast(device: torch.device, precision: Precision) -> AbstractContextManager[None]:
    """Run convolutions in this precision; sums and losses stay in float32."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16")


def measured_precision(model: TrainableDetector, device: torch.device) -> Precision:
    """Choose bfloat16 if it is a tenth faster than float32 here and its gradients are finite.

    Neither the model nor any random state changes. Nothing is measured where the device has no
    bfloat16, nor of a detector whose steps differ: real images have other regions than noise.
    """
    if not (model.fixed_graph and bfloat16_is_possible(device)):
        return "float32"
    with torch.random.fork_rng():
        copy = deepcopy(model).train()
        passes: dict[Precision, list[Pass]] = {"float32": [], "bfloat16": []}
        batch = noise_batch(model).to(device)
        start = time.monotonic()
        # The first round warms up; taking turns, both see the same load of the machine.
        while len(passes["float32"]) <= ROUNDS and time.monotonic() - start < SECONDS:
            for precision, taken in passes.items():
                taken.append(time_pass(copy, batch, device, precision))
    return "bfloat16" if bfloat16_is_worth_it(passes) else "float32"


def bfloat16_is_worth_it(passes: dict[Precision, list[Pass]]) -> bool:
    """Compare the fastest pass of each: disturbances only make a pass longer."""
    if not all(taken.finite for taken in passes["bfloat16"]):
        return False
    best = {name: min(taken.seconds for taken in passes[name]) for name in passes}
    return best["float32"] >= GAIN * best["bfloat16"]


def bfloat16_is_possible(device: torch.device) -> bool:
    """Check that the device computes in bfloat16 without emulation, and with correct gradients.

    On a CPU the gradient of a convolution was not finite now and then (once in 150 passes, PyTorch
    2.15, Zen 4; depthwise ones more often than others): too seldom for a short measurement to show,
    and a gradient that is wrong but finite would not show at all.
    """
    return device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)


def noise_batch(model: TrainableDetector) -> Batch:
    """Make images of noise with an object in the middle of each."""
    height, width = model.settings.input
    box = torch.tensor([[width / 4, height / 4, 3 * width / 4, 3 * height / 4]])
    truth = Truth.of(box, torch.zeros(1, dtype=torch.int64))
    pixels = torch.randint(256, (IMAGES, height, width, 3), dtype=torch.uint8)
    names = tuple(f"noise {number}" for number in range(IMAGES))
    return Batch(pixels.permute(0, 3, 1, 2), (truth,) * IMAGES, names)


def time_pass(
    model: TrainableDetector, batch: Batch, device: torch.device, precision: Precision
) -> Pass:
    """Time one forward and backward pass."""
    model.zero_grad(set_to_none=True)
    start = time.monotonic()
    with autocast(device, precision):
        losses = model.losses(batch)
    losses.total.backward()  # type: ignore[no-untyped-call]
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    # Reading the norm waits for a GPU.
    finite = bool(nn.utils.get_total_norm(gradients).isfinite())
    return Pass(time.monotonic() - start, finite)
