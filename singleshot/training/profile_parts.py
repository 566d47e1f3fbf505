"""From what torch's profiler recorded to the parts of a step."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from torch.autograd.profiler_util import FunctionEvent

__all__ = ["AVERAGE", "DATA", "LOSSES", "NETWORK", "Part", "part_of", "parts_of"]

# What the profiler is told to call them.
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
WEIGHT = {"aten::convolution": 1, "aten::convolution_backward": 2}  # which argument it is
LOSS, OTHER = "matching and loss", "other"


class Part(NamedTuple):
    """A part of a step."""

    name: str
    seconds: float  # of one step


def parts_of(
    recorded: Iterable[FunctionEvent], num_steps: int, seconds_per_step: float, *, on_gpu: bool
) -> tuple[Part, ...]:
    """What each part took of one step, the longest first; together they are the step."""
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
    # What no operator took: the interpreter, above all.
    seconds[OTHER] = max(seconds_per_step - sum(seconds.values()), 0.0)
    return tuple(sorted((Part(*pair) for pair in seconds.items()), key=lambda p: -p.seconds))


def part_of(event: FunctionEvent, of_loss: Collection[int] = ()) -> str:
    """The part that an operator belongs to; `of_loss` numbers the operators of the loss forward.

    An operator and its derivative have the same number.
    """
    callers = list(lineage(event))
    names = [caller.name for caller in callers]
    if DATA in names:
        return "waiting for data"
    if AVERAGE in names:
        return "average of weights"
    if any(name.startswith(OPTIMIZER) for name in names):
        return "optimizer"
    if names[-1].startswith(BACKWARD):
        return LOSS if callers[-1].sequence_nr in of_loss else f"{kind_of(callers)}, backward"
    if NETWORK in names:
        return f"{kind_of(callers)}, forward"
    return LOSS if LOSSES in names else OTHER


def kind_of(callers: Sequence[FunctionEvent]) -> str:
    """The kind of the first of these operators, which the others called."""
    if callers[0].name in COPIES:
        return "copies"
    for caller in callers:
        if place := WEIGHT.get(caller.name):
            return "depthwise convolution" if is_depthwise(caller, place) else "convolution"
        for kind, marks in KINDS.items():
            if any(mark in caller.name for mark in marks):
                return kind
    return "other operators"


def is_depthwise(convolution: FunctionEvent, place: int) -> bool:
    """By the weight, the argument at this place; before it comes what is convolved."""
    # Of each argument; torch declares those of one.
    shapes: Sequence[Any] = convolution.input_shapes
    inputs, weight = shapes[place - 1], shapes[place]
    return bool(weight[1] == 1 and inputs[1] > 1)


def lineage(event: FunctionEvent) -> Iterator[FunctionEvent]:
    """The event, what called it, what called that …"""
    current: FunctionEvent | None = event
    while current is not None:
        yield current
        current = current.cpu_parent
