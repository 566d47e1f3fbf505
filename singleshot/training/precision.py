"""Choose the precision of training: float32, or bfloat16 where it is faster."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager
from copy import deepcopy
from typing import Literal, NamedTuple

import torch
from torch import nn

from singleshot.detectors.common.quantization import is_quantized
from singleshot.detectors.detector import TrainableDetector
from singleshot.structures import Batch, Truth

__all__ = ["Precision", "autocast", "bfloat16_is_worth_it", "measured_precision"]

Precision = Literal["float32", "bfloat16"]

FEWEST_IMAGES = 2  # batch norm needs as many
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


def measured_precision(
    model: TrainableDetector, device: torch.device, num_images: int
) -> Precision:
    """Choose bfloat16 if it is a tenth faster than float32 here and its gradients are finite.

    Neither the model nor any random state changes. Nothing is measured where the device has no
    bfloat16, nor of a detector whose steps differ: real images have other regions than noise. A
    quantised one stays in float32, as its rounding has more digits than bfloat16.

    Args:
        model: on the device, not compiled: compiling takes minutes for each precision.
        device: to train on.
        num_images: of a pass in this process; fewer where they do not fit into memory.
    """
    if not model.fixed_graph or is_quantized(model) or not bfloat16_is_possible(device):
        return "float32"
    # Without this, the random state of every GPU would be kept, and a machine with many warned of.
    own = [torch.cuda.current_device()] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=own):
        copy = deepcopy(model).train()
        number = max(num_images, FEWEST_IMAGES)
        while True:
            try:
                passes = time_passes(copy, noise_batch(model, number).to(device), device)
                break
            except torch.OutOfMemoryError:
                if number == FEWEST_IMAGES:
                    return "float32"
                number = max(number // 2, FEWEST_IMAGES)
    return "bfloat16" if bfloat16_is_worth_it(passes) else "float32"


def time_passes(
    model: TrainableDetector, batch: Batch, device: torch.device
) -> dict[Precision, list[Pass]]:
    """Time passes in both precisions in turns, so that both see the same load of the machine."""
    passes: dict[Precision, list[Pass]] = {"float32": [], "bfloat16": []}
    for precision in passes:
        time_pass(model, batch, device, precision)  # warms up
    start = time.monotonic()
    for _ in range(ROUNDS):
        for precision, taken in passes.items():
            taken.append(time_pass(model, batch, device, precision))
        if time.monotonic() - start > SECONDS:
            break
    return passes


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


def noise_batch(model: TrainableDetector, num_images: int) -> Batch:
    """Make images of noise with an object in the middle of each."""
    height, width = model.settings.input
    box = torch.tensor([[width / 4, height / 4, 3 * width / 4, 3 * height / 4]])
    truth = Truth.of(box, torch.zeros(1, dtype=torch.int64))
    pixels = torch.randint(256, (num_images, height, width, 3), dtype=torch.uint8)
    names = tuple(f"noise {number}" for number in range(num_images))
    return Batch(pixels.permute(0, 3, 1, 2), (truth,) * num_images, names)


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
