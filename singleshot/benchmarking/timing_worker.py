"""Time one detector in a process of its own, so that its memory is measured alone.

    python -m singleshot.benchmarking.timing_worker

The process reads one JSON object a line from stdin, first the job, then one object for each turn,
and answers each with one line. A turn is a number of batches, or so many seconds of them.
"""

from __future__ import annotations

import json
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from jaxtyping import UInt8
from torch import Tensor

from singleshot.benchmarking.about import about_detector, with_score_threshold
from singleshot.benchmarking.machine import describe_machine, joules_between, read_energy
from singleshot.benchmarking.network_check import time_network
from singleshot.benchmarking.phases import time_detections
from singleshot.data.image_files.decoding import read_image
from singleshot.detectors.detector import TrainableDetector
from singleshot.families import build_detector
from singleshot.metrics.speed import Seconds
from singleshot.models.devices import choose_device
from singleshot.models.locating import model_files
from singleshot.models.opening import load
from singleshot.models.summary import numbered_classes, summarise
from singleshot.recipes.load import load_recipe
from singleshot.structures import Detections, Detector

__all__ = ["TimedDetector", "peak_memory_mb", "roll_columns"]

MEGABYTE = 1 << 20
FIRST_WARM_UP, WARM_UP = 3, 1  # uncounted detections of a turn
LONGEST_WARM_UP = 2.0  # seconds


def roll_columns(image: UInt8[Tensor, "3 h w"], number: int) -> UInt8[Tensor, "3 h w"]:
    """Move the columns of an image round, so that results cached by a detector are of no use.

    Pixels lie one after the other in memory, as cameras and decoders give them.
    """
    return image.permute(1, 2, 0).contiguous().roll(number, dims=1).permute(2, 0, 1)


@dataclass
class TimedDetector:
    """A detector, and the images it is timed on, none of which it sees twice."""

    job: dict[str, Any]
    images: list[UInt8[Tensor, "3 _h _w"]]
    detector: Detector | None = None
    num_seen: int = 0
    num_found: list[int] = field(default_factory=list)  # in each image of the last turn
    warm_sizes: set[int] = field(default_factory=set)  # of batches seen since it was built

    def load(self) -> Detector:
        """Return the detector, loaded or built at the first call."""
        self.detector = self.detector or _detector_of(self.job)
        return self.detector

    def run(self, turn: dict[str, Any]) -> dict[str, Any]:
        """Time some batches; release the detector afterwards if it is rebuilt each turn."""
        if "check" in turn:
            return {"check": time_network(self.load())}
        size: int = turn["batch"]
        detector = self.load()
        summary = {}
        if turn.get("summarise") and isinstance(detector, TrainableDetector):
            summary = summarise(detector, recipe="").to_json()
        self.warm_up(detector, size)
        before = read_energy()
        timed = self.time(detector, size, turn.get("num_batches"), turn["max_seconds"])
        joules = joules_between(before, read_energy())
        reply = {
            "timings": [seconds for _, seconds in timed],
            "starts": [start for start, _ in timed],
            "joules_per_image": joules / len(timed) / size if joules and timed else None,
            "detections_per_image": fmean(self.num_found) if timed else None,
            "peak_memory_mb": peak_memory_mb(choose_device(self.job["device"])),
            "summary": summary,
            "about": about_detector(detector, _files_of(self.job)),
        }
        if turn.get("rebuild"):
            self.detector = None
            self.warm_sizes.clear()
        return reply

    def time(
        self, detector: Detector, size: int, num_batches: int | None, max_seconds: float
    ) -> list[tuple[float, Seconds]]:
        """Time so many batches, or fewer where they take too long; without a number, all that fit.

        Each has the moment when it began, by a clock that all processes of the machine share.
        """
        end = time.perf_counter() + max_seconds
        timed: list[tuple[float, Seconds]] = []
        self.num_found.clear()
        while num_batches is None or len(timed) < num_batches:
            batch = self.next_batch(size)
            start = time.perf_counter()
            if timed and start >= end:
                break
            timings = time_detections(detector, [batch], self.count)
            timed += [(start, seconds) for seconds in timings]
        return timed

    def count(self, found: list[Detections]) -> None:
        """Note how many detections there are, on which the time of postprocessing depends."""
        self.num_found += map(len, found)

    def warm_up(self, detector: Detector, size: int) -> None:
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


def _detector_of(job: dict[str, Any]) -> Detector:
    """Load a trained detector, or build the network of a recipe with random weights."""
    if "model" in job:
        detector: Detector = load(job["model"], job["device"], threads=torch.get_num_threads())
    else:
        torch.manual_seed(0)
        settings = load_recipe(job["recipe"]).model
        classes = numbered_classes(job["num_classes"])
        built = build_detector(settings, classes, pretrained=False)
        detector = built.to(choose_device(job["device"]))
    if job.get("score_threshold") is not None:
        return with_score_threshold(detector, job["score_threshold"])
    return detector


def _files_of(job: dict[str, Any]) -> tuple[Path, ...]:
    """List the files of the model; none where weights are random."""
    return model_files(job["model"]) if "model" in job else ()


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
    if job["threads"] is not None:
        torch.set_num_threads(job["threads"])
    timed = TimedDetector(job, [read_image(Path(path)) for path in job["images"]])
    _reset_peak_memory()
    device = choose_device(job["device"])
    reply(
        {"machine": describe_machine(device).to_json(), "memory_before_mb": peak_memory_mb(device)}
    )
    for line in sys.stdin:
        reply(timed.run(json.loads(line)))


if __name__ == "__main__":
    main()
