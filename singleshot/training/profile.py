"""Where the time of a training goes: some steps under torch's profiler, told by part."""

from __future__ import annotations

import gzip
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import ParamSpec, TypeVar

import torch
from torch.autograd.profiler import record_function
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode, conv_flop_count

from singleshot.files import write_atomically
from singleshot.structures import Batch
from singleshot.training.frozen import set_training_mode
from singleshot.training.loop import Training
from singleshot.training.precision import autocast
from singleshot.training.profile_parts import AVERAGE, DATA, LOSSES, NETWORK, Part, parts_of

__all__ = ["NUM_BATCHES", "Profile", "profile_training", "synchronised_time"]

WARM_UP = 3  # steps
PLAIN = 5  # steps without the profiler, which slows them down
PROFILED = 10  # steps
NUM_BATCHES = WARM_UP + PLAIN + PROFILED + 1
SIDE = 2048  # of the matrices whose product shows what the processor can do
TOP = 10  # operators

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True)
class Profile:
    """What some steps of a training were spent on."""

    parts: tuple[Part, ...]  # the longest first; together they are a step
    seconds_per_step: float  # without the profiler
    seconds_per_step_profiled: float
    gflop_per_step: float  # of convolutions and matrix products, forward and backward
    peak_gflops: float  # of a large matrix product, a second
    operators: str  # the ten longest, as torch's profiler shows them

    @property
    def gflops(self) -> float:
        """What was reached, a second."""
        return self.gflop_per_step / self.seconds_per_step

    def __str__(self) -> str:
        width = max(len(part.name) for part in self.parts)
        total = sum(part.seconds for part in self.parts)
        rows = [
            f"{part.name:{width}}  {1000 * part.seconds:8.1f} ms  {part.seconds / total:6.1%}"
            for part in self.parts
        ]
        return "\n".join(
            [
                f"one step: {1000 * self.seconds_per_step:.0f} ms "
                f"({1000 * self.seconds_per_step_profiled:.0f} ms while profiled, as below)",
                *rows,
                f"{self.gflops:.1f} GFLOP/s, {self.gflops / self.peak_gflops:.0%} of the "
                f"{self.peak_gflops:.1f} that a large matrix product reaches here",
                "",
                f"the {TOP} operators that took longest",
                self.operators,
            ]
        )


def profile_training(training: Training, batches: Iterator[Batch], trace: Path) -> Profile:
    """Look at the first steps; `training` is one to throw away afterwards.

    The trace is written in Chrome's format (https://ui.perfetto.dev shows it), gzipped. Raises
    StorageError when the disk does not take it.
    """
    set_training_mode(training.model, training.recipe.training.frozen)
    seconds_of(training, batches, WARM_UP)
    plain = seconds_of(training, batches, PLAIN)
    on_gpu = training.device.type == "cuda"
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_gpu else [])]
    mark(training)
    with profile(activities=activities, record_shapes=True, acc_events=True) as recorded:
        profiled = seconds_of(training, batches, PROFILED)
    with TemporaryDirectory() as folder, write_atomically(trace) as beside:
        # Compressed here: torch does it line by line, which takes longer than all the rest.
        written = Path(folder) / "trace.json"
        recorded.export_chrome_trace(str(written))
        with written.open("rb") as events, gzip.open(beside, "wb", compresslevel=6) as compressed:
            shutil.copyfileobj(events, compressed)
    key = "self_device_time_total" if on_gpu else "self_cpu_time_total"
    table = recorded.key_averages().table(sort_by=key, row_limit=TOP, max_name_column_width=48)
    return Profile(
        parts=parts_of(recorded.events() or (), PROFILED, profiled, on_gpu=on_gpu),
        seconds_per_step=plain,
        seconds_per_step_profiled=profiled,
        gflop_per_step=gflop_of(training, next(batches)),
        peak_gflops=peak_gflops(training),
        operators=table,
    )


def seconds_of(training: Training, batches: Iterator[Batch], num_steps: int) -> float:
    """What one of so many steps takes, with its data."""
    start = synchronised_time(training.device)
    for _ in range(num_steps):
        with record_function(DATA):
            batch = next(batches)
        training.step(batch, 0.0)
    return (synchronised_time(training.device) - start) / num_steps


def mark(training: Training) -> None:
    """Name the parts in which operators tell nothing; the optimizer names itself."""
    objective, model, average = training.objective, training.model, training.average
    objective.losses = named(LOSSES, objective.losses)  # type: ignore[method-assign]
    objective.prepare = named(LOSSES, objective.prepare)  # type: ignore[method-assign]
    model.forward = named(NETWORK, model.forward)
    average.update = named(AVERAGE, average.update)  # type: ignore[method-assign]


def named(name: str, function: Callable[P, R]) -> Callable[P, R]:
    """The same function, seen by the profiler."""

    @wraps(function)
    def seen(*args: P.args, **kwargs: P.kwargs) -> R:
        with record_function(name):
            return function(*args, **kwargs)

    return seen


def gflop_of(training: Training, batch: Batch) -> float:
    """Billions of operations of a step; a multiplication and an addition are two."""
    with counting_operations() as counter:
        training.find_gradients(batch)
    return float(counter.get_total_flops() / 1e9)


def counting_operations() -> FlopCounterMode:
    """torch's own count, but for gradients of convolutions: that one is blind to groups."""
    gradients = torch.ops.aten.convolution_backward
    return FlopCounterMode(display=False, custom_mapping={gradients: of_convolution_gradients})


def of_convolution_gradients(
    gradient: Sequence[int],
    taken: Sequence[int],
    weight: Sequence[int],
    _bias: object,
    _stride: object,
    _padding: object,
    _dilation: object,
    transposed: bool,
    _output_padding: object,
    _groups: object,
    wanted: Sequence[bool],
    *,
    out_shape: object,  # noqa: ARG001
) -> int:
    """Of shapes as aten::convolution_backward takes them; each gradient costs what forward did."""
    forward = conv_flop_count(list(taken), list(weight), list(gradient), transposed)
    return forward * sum(wanted[:2])


def peak_gflops(training: Training) -> float:
    """The best of some products of large matrices, in the training's precision.

    Taken as convolutions of 1 × 1: on processors these have another library than `@` has, which
    reached up to 1.5 times as much.
    """
    device = training.device
    places = torch.rand(1, SIDE, 1, SIDE, device=device).to(memory_format=torch.channels_last)
    weight = torch.rand(SIDE, SIDE, 1, 1, device=device)
    rates = []
    with autocast(device, training.precision), torch.no_grad():
        for _ in range(5):
            start = synchronised_time(device)
            torch.nn.functional.conv2d(places, weight)
            rates.append(2 * SIDE**3 / (synchronised_time(device) - start) / 1e9)
    return max(rates)


def synchronised_time(device: torch.device) -> float:
    """Return the monotonic time in seconds, once the device has finished its work."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.monotonic()
