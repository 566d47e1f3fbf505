"""Time one detector in a process of its own, so that its memory is measured alone.

    python -m singleshot.benchmarking.timing_worker

The process reads one JSON object a line from stdin, first the job, then one object for each turn,
and answers each with one line.

Hooks divide the detector's own `detect` into phases: preprocessing ends when the pixels are
normalised, the network when its raw outputs are there; the rest is postprocessing. Of a detector
that is no `TrainableDetector` only the total is known.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from jaxtyping import UInt8
from torch import Tensor

from singleshot.data.image_files.decoding import read_image
from singleshot.detectors.detector import TrainableDetector
from singleshot.families import build_detector
from singleshot.metrics.speed import Seconds
from singleshot.models.devices import choose_device
from singleshot.models.opening import load
from singleshot.models.summary import numbered_classes, summarise
from singleshot.recipes.load import load_recipe
from singleshot.structures import Detector

__all__ = ["TimedDetector", "peak_memory_mb", "roll_columns", "time_detections"]

MEGABYTE = 1 << 20
FIRST_WARM_UP, WARM_UP = 3, 1  # uncounted detections of a turn
LONGEST_WARM_UP = 2.0  # seconds
PREPROCESS, NETWORK, POSTPROCESS = range(3)


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
    detector: Detector, batches: Sequence[Sequence[UInt8[Tensor, "3 _h _w"]]]
) -> list[Seconds]:
    """Detect objects in each batch, and return the time of each."""
    with _hooked(detector) as stopwatch:
        timings = []
        for batch in batches:
            stopwatch.start()
            detector.detect(batch)
            timings.append(stopwatch.read())
    return timings


@contextmanager
def _hooked(detector: Detector) -> Iterator[_Stopwatch]:
    """Return a stopwatch that the modules of a detector switch from phase to phase."""
    if not isinstance(detector, TrainableDetector):
        yield _Stopwatch(torch.device("cpu"))
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


def roll_columns(image: UInt8[Tensor, "3 h w"], number: int) -> UInt8[Tensor, "3 h w"]:
    """Move the columns of an image round, so that results cached by a detector are of no use."""
    return image.roll(number, dims=2)


@dataclass
class TimedDetector:
    """A detector, and the images it is timed on, none of which it sees twice."""

    job: dict[str, Any]
    images: list[UInt8[Tensor, "3 _h _w"]]
    detector: TrainableDetector | None = None
    num_seen: int = 0
    warm_sizes: set[int] = field(default_factory=set)  # of batches seen since it was built

    def run(self, turn: dict[str, Any]) -> dict[str, Any]:
        """Time some batches; release the detector afterwards if it is rebuilt each turn."""
        size: int = turn["batch"]
        if self.detector is None:
            self.detector = _detector_of(self.job)
        summary = summarise(self.detector, recipe="").to_json() if turn["summarise"] else {}
        self.warm_up(self.detector, size)
        timings = self.time(self.detector, size, turn["num_batches"], turn["max_seconds"])
        if turn["rebuild"]:
            self.detector = None
            self.warm_sizes.clear()
        peak = peak_memory_mb(choose_device(self.job["device"]))
        return {"timings": timings, "peak_memory_mb": peak, "summary": summary}

    def time(
        self, detector: TrainableDetector, size: int, num_batches: int, max_seconds: float
    ) -> list[Seconds]:
        """Time so many batches, or fewer where they take too long."""
        end = time.perf_counter() + max_seconds
        timings: list[Seconds] = []
        while len(timings) < num_batches and (not timings or time.perf_counter() < end):
            timings += time_detections(detector, [self.next_batch(size)])
        return timings

    def warm_up(self, detector: TrainableDetector, size: int) -> None:
        """Detect without counting: three times with a new batch size, then once a turn."""
        end = time.perf_counter() + LONGEST_WARM_UP
        for _ in range(WARM_UP if size in self.warm_sizes else FIRST_WARM_UP):
            detector.detect(self.next_batch(size))
            if time.perf_counter() > end:
                break
        self.warm_sizes.add(size)

    def next_batch(self, size: int) -> list[UInt8[Tensor, "3 _h _w"]]:
        """Return the next images, moved by one more column each time they are repeated."""
        numbers = range(self.num_seen, self.num_seen + size)
        self.num_seen += size
        count = len(self.images)
        return [roll_columns(self.images[number % count], number // count) for number in numbers]


def _detector_of(job: dict[str, Any]) -> TrainableDetector:
    """Load a trained detector, or build the network of a recipe with random weights."""
    if "model" in job:
        return load(job["model"], job["device"])
    torch.manual_seed(0)
    settings = load_recipe(job["recipe"]).model
    classes = numbered_classes(job["num_classes"])
    return build_detector(settings, classes, pretrained=False).to(choose_device(job["device"]))


def _machine(device: torch.device) -> dict[str, Any]:
    """Describe the machine and the software."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "system": platform.system(),
        "python": platform.python_version(),
        "torch": torch.__version__,
    }


def _processor() -> str:
    """Return the processor's name as far as the system provides it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def _reset_peak_memory() -> None:
    """Reset the peak, which includes the imports; where that is not possible, they count."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def peak_memory_mb(device: torch.device) -> float | None:
    """Return the peak memory of this process, of the GPU where it computes on one.

    None where the system does not provide it. Linux's `ru_maxrss` would not do: a new process
    inherits that of the one that started it.
    """
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / MEGABYTE
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:"))
    except (OSError, StopIteration):
        return _peak_memory_elsewhere()


def _peak_memory_elsewhere() -> float | None:
    """Return the peak on macOS, which counts in bytes; Windows has no such module."""
    try:
        import resource  # noqa: PLC0415
    except ImportError:
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / MEGABYTE


def main() -> None:
    """Answer one line after the other until stdin ends."""
    replies = sys.stdout
    sys.stdout = sys.stderr  # the output of libraries must not mix with replies

    def reply(document: dict[str, Any]) -> None:
        replies.write(json.dumps(document) + "\n")
        replies.flush()

    job = json.loads(sys.stdin.readline())
    timed = TimedDetector(job, [read_image(Path(path)) for path in job["images"]])
    _reset_peak_memory()
    device = choose_device(job["device"])
    reply({"machine": _machine(device), "memory_before_mb": peak_memory_mb(device)})
    for line in sys.stdin:
        reply(timed.run(json.loads(line)))


if __name__ == "__main__":
    main()
