"""Find the largest batch that fits into memory, by trying."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import torch

from singleshot.errors import RunFailed, SingleshotError
from singleshot.recipes.schema import Recipe
from singleshot.recipes.training import scale_rate
from singleshot.runs.folder import with_training
from singleshot.structures import Batch
from singleshot.training.frozen import set_training_mode
from singleshot.training.loop import Training

__all__ = ["LARGEST", "largest_batch", "with_batch_size"]

LARGEST = 256  # a sane end: larger ones need other optimizers (You et al. 2017, "LARS")
SHARE_OF_GPU = 0.9
SHARE_OF_MEMORY = 0.8
TRIED = (2, 4, 8)  # images; batch norm needs two
STEPS = 2  # the first one creates the optimizer's state


class Peak(NamedTuple):
    """Peak of memory during steps with so many images."""

    images: int  # in a batch
    num_bytes: int


def largest_batch(training: Training, batch: Batch, *, at_most: int, free: int) -> int:
    """Find how many images fit into memory at once; `training` has to be thrown away.

    On a GPU by doubling and bisecting, up to 90 % of what is free. On a CPU, where too large
    an allocation would end the program, from peaks of small batches, up to 80 % of `free` bytes.
    """
    if at_most <= TRIED[0]:
        return at_most
    set_training_mode(training.model, training.recipe.training.frozen_parts)
    if training.device.type == "cuda":
        return largest_that_fits(lambda number: fits_gpu(training, batch, number), at_most)
    if training.device.type != "cpu":
        raise SingleshotError(
            f"batch=auto is measured on CPUs and CUDA, not on {training.device.type}; give a "
            f"number to training.batch_size"
        )
    peaks: list[Peak] = []
    allowed = resident("VmRSS") + int(SHARE_OF_MEMORY * free)
    for number in (number for number in TRIED if number <= at_most):
        if len(peaks) > 1 and largest_on_line(peaks, allowed, at_most) < number:
            break
        peaks.append(Peak(number, peak_of(training, batch, number)))
    return largest_on_line(peaks, allowed, at_most)


def largest_on_line(peaks: Sequence[Peak], allowed: int, at_most: int) -> int:
    """Extrapolate measured peaks, by their steepest slope, to the allowed bytes.

    Raises RunFailed when that is below what batch norm needs.
    """
    slopes = [(b.num_bytes - a.num_bytes) / (b.images - a.images) for a, b in pairwise(peaks)]
    last = peaks[-1]
    # Peaks that do not grow have no slope: then one image is taken to need its share of the whole.
    slope = max(slopes, default=0.0)
    slope = slope if slope > 0 else last.num_bytes / last.images
    fits = int(last.images + (allowed - last.num_bytes) / slope)
    if fits < TRIED[0]:
        raise RunFailed(
            f"a batch of {TRIED[0]} images takes {peaks[0].num_bytes / 1e9:.1f} GB of memory and "
            f"{allowed / 1e9:.1f} GB may be taken; lower model.input, or end other programs"
        )
    return min(fits, at_most)


def largest_that_fits(fits: Callable[[int], bool], at_most: int) -> int:
    """Double and bisect to the largest number that fits."""
    good, bad = 0, at_most + 1
    number = min(TRIED[0], at_most)
    while bad - good > 1:
        if fits(number):
            good = number
        else:
            bad = number
        number = min(2 * good, at_most) if bad > at_most and good else (good + bad) // 2
    if not good:
        raise RunFailed("not even one image fits into the memory of the GPU; lower model.input")
    return good


def fits_gpu(training: Training, batch: Batch, number: int) -> bool:
    """Return whether steps with so many images leave a tenth of the GPU's free memory."""
    torch.cuda.empty_cache()
    free, _ = torch.cuda.mem_get_info()
    allowed = SHARE_OF_GPU * (free + torch.cuda.memory_reserved())
    torch.cuda.reset_peak_memory_stats()
    try:
        take_steps(training, repeated(batch, number))
    except torch.cuda.OutOfMemoryError:
        return False
    finally:
        training.optimizer.zero_grad(set_to_none=True)
    return torch.cuda.max_memory_reserved() <= allowed


def peak_of(training: Training, batch: Batch, number: int) -> int:
    """Measure the peak in bytes of this program during steps with so many images."""
    with suppress(OSError):  # a peak that cannot be reset still grows with the batch
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    take_steps(training, repeated(batch, number))
    return resident("VmHWM")


def take_steps(training: Training, batch: Batch) -> None:
    for _ in range(STEPS):
        training.step(batch, 0.0)


def resident(what: str) -> int:
    """Read the bytes of this program in memory: now (VmRSS), or the peak so far (VmHWM)."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    except OSError as error:
        raise SingleshotError(
            "batch=auto cannot see how much memory a program takes on this system; give a number "
            "to training.batch_size"
        ) from error
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(f"{what}:"))


def repeated(batch: Batch, number: int) -> Batch:
    """Repeat the images of a batch up to a number."""
    places = [place % len(batch) for place in range(number)]
    # By way of channels last, as batches are.
    images = batch.images.permute(0, 2, 3, 1)[places].permute(0, 3, 1, 2)
    return Batch(
        images,
        tuple(batch.truths[place] for place in places),
        tuple(batch.names[place] for place in places),
    )


def with_batch_size(recipe: Recipe, batch_size: int) -> Recipe:
    """Copy a recipe with another batch size, learning rate and number of steps.

    Steps, where they are counted, become fewer, so that as many images are seen.
    """
    settings = recipe.training
    factor = batch_size / settings.batch_size
    changes: dict[str, object] = {
        "largest_batch": False,
        "batch_size": batch_size,
        "learning_rate": scale_rate(settings.learning_rate, factor, settings.optimizer),
    }
    if settings.steps is not None:
        changes["steps"] = max(round(settings.steps / factor), 1)
    return with_training(recipe, changes)
