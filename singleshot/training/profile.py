"""Profile training steps with torch's profiler: seconds by part, GFLOP/s, longest operators."""

from __future__ import annotations

import gzip
import shutil
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple, ParamSpec, TypeVar

import torch
from torch.autograd.profiler import record_function
from torch.autograd.profiler_util import FunctionEvent
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode, conv_flop_count

from singleshot.files import write_atomically
from singleshot.structures import Batch
from singleshot.training.frozen import set_training_mode
from singleshot.training.loop import Training
from singleshot.training.precision import autocast

__all__ = ["NUM_BATCHES", "Profile", "profile_training", "synchronised_time"]

WARM_UP = 3  # steps
PLAIN = 5  # steps without the profiler, which slows them down
PROFILED = 10  # steps
NUM_BATCHES = WARM_UP + PLAIN + PROFILED + 1
SIDE = 2048  # of the matrices whose product shows what the processor can do
TOP = 10  # operators

# Names of the parts for the profiler.
DATA, LOSSES, NETWORK, AVERAGE = (
    f"singleshot: {name}" for name in ("data", "losses", "network", "average")
)
OPTIMIZER = "Optimizer."  # torch's own name, with that of the method
BACKWARD = "autograd::engine::evaluate_function"

# The kind of an operator, by a part of its name or of one that called it; the first that fits.
KINDS = {
    "batch norm": ("batch_norm",),
    "activation": ("relu", "hardtanh", "hardswish", "hardsigmoid", "silu", "threshold"),
}
COPIES = {"aten::copy_", "aten::clone", "aten::contiguous", "aten::_to_copy", "aten::cat"}
WEIGHT = {  # which argument it is
    "aten::convolution": 1,
    "aten::convolution_backward": 2,
    "mkldnn::_convolution_pointwise": 1,
}
LOSS, OTHER = "matching and loss", "other"

P = ParamSpec("P")
R = TypeVar("R")


class StepPart(NamedTuple):
    """A part of a training step, such as the convolutions of the forward pass."""

    name: str
    seconds: float  # of one step


@dataclass(frozen=True)
class Profile:
    """Parts, operations and longest operators of some training steps."""

    parts: tuple[StepPart, ...]  # the longest first; together they are a step
    seconds_per_step: float  # without the profiler
    seconds_per_step_profiled: float
    gflop_per_step: float  # of convolutions and matrix products, forward and backward
    peak_gflops: float  # of a large matrix product, a second
    operators: str  # the ten longest, as torch's profiler shows them

    @property
    def gflops(self) -> float:
        """Billions of operations in a second."""
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
    """Profile the first steps; `training` has to be thrown away afterwards.

    The trace is written in Chrome's format (https://ui.perfetto.dev shows it), gzipped. Raises
    StorageError when the disk does not take it.
    """
    set_training_mode(training.model, training.recipe.training.frozen_parts)
    _seconds_per_step(training, batches, WARM_UP)
    plain = _seconds_per_step(training, batches, PLAIN)
    on_gpu = training.device.type == "cuda"
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_gpu else [])]
    _name_parts(training)
    with profile(activities=activities, record_shapes=True, acc_events=True) as recorded:
        profiled = _seconds_per_step(training, batches, PROFILED)
    with TemporaryDirectory() as folder, write_atomically(trace) as beside:
        # Compressed here: torch does it line by line, which takes longer than all the rest.
        written = Path(folder) / "trace.json"
        recorded.export_chrome_trace(str(written))
        with written.open("rb") as events, gzip.open(beside, "wb", compresslevel=6) as compressed:
            shutil.copyfileobj(events, compressed)
    key = "self_device_time_total" if on_gpu else "self_cpu_time_total"
    table = recorded.key_averages().table(sort_by=key, row_limit=TOP, max_name_column_width=48)
    return Profile(
        parts=split_by_part(recorded.events() or (), PROFILED, profiled, on_gpu=on_gpu),
        seconds_per_step=plain,
        seconds_per_step_profiled=profiled,
        gflop_per_step=_count_gflop(training, next(batches)),
        peak_gflops=_measure_peak_gflops(training),
        operators=table,
    )


def _seconds_per_step(training: Training, batches: Iterator[Batch], num_steps: int) -> float:
    """Time one of so many steps, with its data."""
    start = synchronised_time(training.device)
    for _ in range(num_steps):
        with record_function(DATA):
            batch = next(batches)
        training.step(batch, 0.0)
    return (synchronised_time(training.device) - start) / num_steps


def _name_parts(training: Training) -> None:
    """Name losses, network and average for the profiler; the optimizer names itself."""
    objective, model, average = training.objective, training.model, training.average
    objective.losses = _record_as(LOSSES, objective.losses)  # type: ignore[method-assign]
    objective.prepare = _record_as(LOSSES, objective.prepare)  # type: ignore[method-assign]
    model.forward = _record_as(NETWORK, model.forward)
    average.update = _record_as(AVERAGE, average.update)  # type: ignore[method-assign]


def _record_as(name: str, function: Callable[P, R]) -> Callable[P, R]:
    """Wrap a function so that the profiler records it under a name."""

    @wraps(function)
    def recorded(*args: P.args, **kwargs: P.kwargs) -> R:
        with record_function(name):
            return function(*args, **kwargs)

    return recorded


def _count_gflop(training: Training, batch: Batch) -> float:
    """Count billions of operations of a step; a multiplication and an addition are two."""
    with count_operations() as counter:
        training.find_gradients(batch)
    return float(counter.get_total_flops() / 1e9)


def count_operations() -> FlopCounterMode:
    """Count operations as torch does, but with the groups of a convolution in its gradients.

    And with those of convolutions that are one operator with their activation.
    """
    counted: dict[Any, Any] = {torch.ops.aten.convolution_backward: count_convolution_gradients}
    if torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        counted[torch.ops.mkldnn._convolution_pointwise] = count_fused_convolution
    return FlopCounterMode(display=False, custom_mapping=counted)


def count_fused_convolution(
    taken: Sequence[int], weight: Sequence[int], *_: object, out_shape: Sequence[int]
) -> int:
    """Count from shapes of mkldnn::_convolution_pointwise, without its activation."""
    return int(conv_flop_count(list(taken), list(weight), list(out_shape), transposed=False))


def count_convolution_gradients(
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
    output_mask: Sequence[bool],
    *,
    out_shape: object,  # noqa: ARG001
) -> int:
    """Count from shapes of aten::convolution_backward: a gradient costs as much as forward."""
    forward = conv_flop_count(list(taken), list(weight), list(gradient), transposed)
    return forward * sum(output_mask[:2])


def _measure_peak_gflops(training: Training) -> float:
    """Measure the fastest of some products of large matrices, in the training's precision.

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


def split_by_part(
    recorded: Iterable[FunctionEvent], num_steps: int, seconds_per_step: float, *, on_gpu: bool
) -> tuple[StepPart, ...]:
    """Split the seconds of one step by part, the longest first; together they are the step."""
    events = list(recorded)
    threads = {event.thread for event in events if event.name == DATA}
    events = [event for event in events if event.thread in threads]
    of_loss = frozenset(e.sequence_nr for e in events if part_of(e) == LOSS) - {-1}
    seconds: dict[str, float] = defaultdict(float)
    for event in events:
        name = part_of(event, of_loss)
        waits = not on_gpu or name == "waiting for data"
        micros = event.self_cpu_time_total if waits else event.self_device_time_total
        seconds[name] += micros / 1e6 / num_steps
    seconds.pop(OTHER, None)
    # Time without an operator: the interpreter, above all.
    seconds[OTHER] = max(seconds_per_step - sum(seconds.values()), 0.0)
    return tuple(sorted((StepPart(*pair) for pair in seconds.items()), key=lambda p: -p.seconds))


def part_of(event: FunctionEvent, of_loss: Collection[int] = ()) -> str:
    """Name the part of an operator; `of_loss` numbers the operators of the loss forward.

    An operator and its derivative have the same number.
    """
    callers = list(_callers(event))
    names = [caller.name for caller in callers]
    if DATA in names:
        return "waiting for data"
    if AVERAGE in names:
        return "average of weights"
    if any(name.startswith(OPTIMIZER) for name in names):
        return "optimizer"
    if names[-1].startswith(BACKWARD):
        return LOSS if callers[-1].sequence_nr in of_loss else f"{_kind_of(callers)}, backward"
    if NETWORK in names:
        return f"{_kind_of(callers)}, forward"
    return LOSS if LOSSES in names else OTHER


def _kind_of(callers: Sequence[FunctionEvent]) -> str:
    """Name the kind of the first of these operators, which the others called."""
    if callers[0].name in COPIES:
        return "copies"
    for caller in callers:
        if place := WEIGHT.get(caller.name):
            return "depthwise convolution" if _is_depthwise(caller, place) else "convolution"
        for kind, marks in KINDS.items():
            if any(mark in caller.name for mark in marks):
                return kind
    return "other operators"


def _is_depthwise(convolution: FunctionEvent, place: int) -> bool:
    """Return whether a convolution is depthwise, by its weight, the argument at this place."""
    # Of each argument; torch declares those of one.
    shapes: Sequence[Any] = convolution.input_shapes
    inputs, weight = shapes[place - 1], shapes[place]
    return bool(weight[1] == 1 and inputs[1] > 1)


def _callers(event: FunctionEvent) -> Iterator[FunctionEvent]:
    """Yield the event, its caller, the caller of that …"""
    current: FunctionEvent | None = event
    while current is not None:
        yield current
        current = current.cpu_parent
