"""One detector in a process of its own, timed when it is told to: its memory is nobody else's.

    python -m singleshot.comparison.speed_worker

It reads one JSON object a line from stdin, first the job, then orders, and answers each with one.
"""

import json
import os
import platform
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from jaxtyping import UInt8
from torch import Tensor

from singleshot.comparison.timing import time_detections, unseen
from singleshot.data.images import read_image
from singleshot.detectors.detector import TrainableDetector
from singleshot.families import build_detector
from singleshot.metrics.speed import Seconds
from singleshot.models.opening import best_device, load, numbered_classes
from singleshot.models.summary import summarise
from singleshot.recipes.load import load_recipe

MEGABYTE = 1 << 20
FIRST_WARM_UP, WARM_UP = 3, 1  # detections that do not count, of a turn
LONGEST_WARM_UP = 2.0  # seconds


@dataclass
class Subject:
    """A detector, and the images it is timed on, each of which it sees but once."""

    job: dict[str, Any]
    images: list[UInt8[Tensor, "3 _h _w"]]
    detector: TrainableDetector | None = None
    num_seen: int = 0
    warm: set[int] = field(default_factory=set)  # sizes of batches that it has seen before

    def obey(self, order: dict[str, Any]) -> dict[str, Any]:
        """Time some batches, and let the detector go if that is asked."""
        size: int = order["batch"]
        if self.detector is None:
            self.detector = detector_of(self.job)
        summary = summarise(self.detector, recipe="").to_json() if order["describe"] else {}
        self.warm_up(self.detector, size)
        timings = self.time(self.detector, size, order["number"], order["longest"])
        if order["forget"]:
            self.detector = None
            self.warm.clear()
        peak = peak_memory_mb(best_device())
        return {"timings": timings, "peak_memory_mb": peak, "summary": summary}

    def time(
        self, detector: TrainableDetector, size: int, number: int, longest: float
    ) -> list[Seconds]:
        """So many batches, or fewer where they take too long."""
        enough = time.perf_counter() + longest
        timings: list[Seconds] = []
        while len(timings) < number and (not timings or time.perf_counter() < enough):
            timings += time_detections(detector, [self.next_batch(size)])
        return timings

    def warm_up(self, detector: TrainableDetector, size: int) -> None:
        """Detect without counting: once, or until it goes as it will when all is prepared."""
        enough = time.perf_counter() + LONGEST_WARM_UP
        for _ in range(WARM_UP if size in self.warm else FIRST_WARM_UP):
            detector.detect(self.next_batch(size))
            if time.perf_counter() > enough:
                break
        self.warm.add(size)

    def next_batch(self, size: int) -> list[UInt8[Tensor, "3 _h _w"]]:
        """The next images, moved by a column more each time round."""
        numbers = range(self.num_seen, self.num_seen + size)
        self.num_seen += size
        count = len(self.images)
        return [unseen(self.images[number % count], number // count) for number in numbers]


def detector_of(job: dict[str, Any]) -> TrainableDetector:
    """A trained one, or the network of a recipe with random weights."""
    if "model" in job:
        return load(job["model"])
    torch.manual_seed(0)
    settings = load_recipe(job["recipe"]).model
    classes = numbered_classes(job["num_classes"])
    return build_detector(settings, classes, pretrained=False).to(best_device())


def machine(device: torch.device) -> dict[str, Any]:
    """What the speed was measured on."""
    return {
        "processor": processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "system": platform.system(),
        "python": platform.python_version(),
        "torch": torch.__version__,
    }


def processor() -> str:
    """Its name as far as the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def forget_peak_memory() -> None:
    """What importing took is no detector's; where it cannot be forgotten, it counts."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def peak_memory_mb(device: torch.device) -> float | None:
    """The most that this process has had in memory, a GPU's where it computes on one.

    None where the system does not tell. Linux's `ru_maxrss` would not do: a new process inherits
    that of the one that started it.
    """
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / MEGABYTE
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:"))
    except (OSError, StopIteration):
        return peak_memory_elsewhere()


def peak_memory_elsewhere() -> float | None:
    """On macOS, in bytes; Windows has no such module."""
    try:
        import resource  # noqa: PLC0415
    except ImportError:
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / MEGABYTE


def main() -> None:
    """Answer until nobody asks any more."""
    answers = sys.stdout
    sys.stdout = sys.stderr  # whatever a library prints is no answer

    def answer(document: dict[str, Any]) -> None:
        answers.write(json.dumps(document) + "\n")
        answers.flush()

    job = json.loads(sys.stdin.readline())
    subject = Subject(job, [read_image(Path(path)) for path in job["images"]])
    forget_peak_memory()
    device = best_device()
    answer({"machine": machine(device), "memory_before_mb": peak_memory_mb(device)})
    for line in sys.stdin:
        answer(subject.obey(json.loads(line)))


if __name__ == "__main__":
    main()
