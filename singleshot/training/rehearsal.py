"""The first steps of a training, taken to learn how long they take and then thrown away."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import islice

import torch

from singleshot.structures import Batch
from singleshot.training.frozen import train_what_learns
from singleshot.training.loop import Training

__all__ = ["seconds_of_step"]

WARM_UP = 3  # steps: caches fill, kernels are chosen, the optimizer gets its memory
STEPS = 10
FEWEST = 2


def seconds_of_step(training: Training, batches: Iterator[Batch], *, at_most: float) -> float:
    """What a step and its data take on average; `training` is one to throw away afterwards.

    Ends after ten steps, or after `at_most` seconds with two at least.
    """
    train_what_learns(training.model, training.recipe.training.frozen)
    begin = time.monotonic()
    for batch in islice(batches, WARM_UP):
        training.step(batch, 0.0)
    start = now = settled(training.device)
    num_steps = 0
    for batch in islice(batches, STEPS):
        training.step(batch, 0.0)
        num_steps += 1
        now = settled(training.device)
        if now - begin > at_most and num_steps >= FEWEST:
            break
    return (now - start) / num_steps


def settled(device: torch.device) -> float:
    """The time when all that was asked of a device is done."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.monotonic()
