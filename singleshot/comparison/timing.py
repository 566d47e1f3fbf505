"""How long a detector takes, and for what: the phases of its own `detect`, watched from outside.

Preparing lasts until the pixels are normalised, the network until its raw outputs are there, and
choosing is what comes after. A detector of ours tells by its modules when a phase begins; of any
other the total is known alone.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from jaxtyping import UInt8
from torch import Tensor

from singleshot.detectors.detector import TrainableDetector
from singleshot.metrics.speed import Seconds
from singleshot.structures import Detector

__all__ = ["time_detections", "unseen"]

PREPARING, NETWORK, CHOOSING = range(3)


class Stopwatch:
    """Adds up the seconds of each phase."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.start()

    def start(self) -> None:
        """Begin anew, with preparing."""
        self.seconds = [0.0, 0.0, 0.0]
        self.phase = PREPARING
        self.since = self.now()

    def begin(self, phase: int) -> None:
        """What follows belongs to this phase."""
        now = self.now()
        self.seconds[self.phase] += now - self.since
        self.phase, self.since = phase, now

    def now(self) -> float:
        """Once all that was asked of the device is done."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return time.perf_counter()

    def read(self) -> Seconds:
        """The seconds so far; phases only if the network was seen."""
        self.begin(CHOOSING)
        preparing, network, choosing = self.seconds
        total = sum(self.seconds)
        if not network:
            return Seconds(None, None, None, total)
        return Seconds(preparing, network, choosing, total)


def time_detections(
    detector: Detector, batches: Sequence[Sequence[UInt8[Tensor, "3 _h _w"]]]
) -> list[Seconds]:
    """Detect in each batch, and tell how long each took."""
    with watched(detector) as watch:
        found = []
        for batch in batches:
            watch.start()
            detector.detect(batch)
            found.append(watch.read())
    return found


@contextmanager
def watched(detector: Detector) -> Iterator[Stopwatch]:
    """A stopwatch that is told when the phases of a detector begin."""
    if not isinstance(detector, TrainableDetector):
        yield Stopwatch(torch.device("cpu"))
        return
    watch = Stopwatch(detector.pixel_mean.device)
    handles = [
        detector.register_forward_pre_hook(lambda *_: watch.begin(PREPARING)),
        detector.register_forward_hook(lambda *_: watch.begin(CHOOSING)),
        # Normalising is the first thing that a network does, once for each copy of the images.
        detector.pixels.register_forward_hook(lambda *_: watch.begin(NETWORK)),
    ]
    try:
        yield watch
    finally:
        for handle in handles:
            handle.remove()


def unseen(image: UInt8[Tensor, "3 h w"], number: int) -> UInt8[Tensor, "3 h w"]:
    """The image moved round by so many columns: what a detector remembers of it is of no use."""
    return image.roll(number, dims=2)
