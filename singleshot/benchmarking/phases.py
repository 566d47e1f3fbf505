"""Time preprocessing, network and postprocessing apart inside a detector's own `detect`.

Hooks divide it: preprocessing ends when the pixels are normalised, the network when its raw outputs
are there; the rest is postprocessing. An exported detector has a method for each phase. Of any
other detector only the total is known.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import wraps
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import UInt8
from torch import Tensor

from singleshot.detectors.detector import TrainableDetector
from singleshot.metrics.speed import Seconds
from singleshot.structures import Detections, Detector

__all__ = ["time_detections"]

PREPROCESS, NETWORK, POSTPROCESS = range(3)
PHASE_OF_METHOD = {"preprocess": PREPROCESS, "infer": NETWORK, "postprocess": POSTPROCESS}


@runtime_checkable
class PhasedDetector(Protocol):
    """A detector whose `detect` calls a method for each phase."""

    preprocess: Callable[..., Any]
    infer: Callable[..., Any]
    postprocess: Callable[..., Any]


class _Stopwatch:
    """The seconds of each phase."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.start()

    def start(self) -> None:
        """Reset, and begin with preprocessing."""
        self.seconds = [0.0, 0.0, 0.0]
        self.phase = PREPROCESS
        self.since = self.now()

    def begin(self, phase: int) -> None:
        """Add the time since the last call to its phase, and begin another."""
        now = self.now()
        self.seconds[self.phase] += now - self.since
        self.phase, self.since = phase, now

    def now(self) -> float:
        """Wait for the device, and read the clock."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return time.perf_counter()

    def read(self) -> Seconds:
        """Return the seconds so far; phases only if a network was seen."""
        self.begin(POSTPROCESS)
        preprocess, network, postprocess = self.seconds
        total = sum(self.seconds)
        if not network:
            return Seconds(None, None, None, total)
        return Seconds(preprocess, network, postprocess, total)


def time_detections(
    detector: Detector,
    batches: Sequence[Sequence[UInt8[Tensor, "3 _h _w"]]],
    on_found: Callable[[list[Detections]], None] | None = None,
) -> list[Seconds]:
    """Detect objects in each batch, and return the time of each.

    `on_found` is called with the detections of each batch, outside the time.
    """
    with _hooked(detector) as stopwatch:
        timings = []
        for batch in batches:
            stopwatch.start()
            found = detector.detect(batch)
            timings.append(stopwatch.read())
            if on_found is not None:
                on_found(found)
    return timings


@contextmanager
def _hooked(detector: Detector) -> Iterator[_Stopwatch]:
    """Return a stopwatch that the modules of a detector switch from phase to phase."""
    if not isinstance(detector, TrainableDetector):
        stopwatch = _Stopwatch(torch.device("cpu"))
        with ExitStack() as stack:
            if isinstance(detector, PhasedDetector):
                for name, phase in PHASE_OF_METHOD.items():
                    stack.enter_context(_announced(detector, name, phase, stopwatch))
            yield stopwatch
        return
    stopwatch = _Stopwatch(detector.pixel_mean.device)
    handles = [
        detector.register_forward_pre_hook(lambda *_: stopwatch.begin(PREPROCESS)),
        detector.register_forward_hook(lambda *_: stopwatch.begin(POSTPROCESS)),
        # Normalising is the first thing that a network does, once for each copy of the images.
        detector.pixels.register_forward_hook(lambda *_: stopwatch.begin(NETWORK)),
    ]
    try:
        yield stopwatch
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def _announced(detector: object, name: str, phase: int, stopwatch: _Stopwatch) -> Iterator[None]:
    """Let a method begin its phase when it is called."""
    method = getattr(detector, name)

    @wraps(method)
    def call(*arguments: Any, **more: Any) -> Any:
        stopwatch.begin(phase)
        return method(*arguments, **more)

    object.__setattr__(detector, name, call)  # also of a frozen dataclass
    try:
        yield
    finally:
        object.__delattr__(detector, name)  # of the instance; the class still has the method
