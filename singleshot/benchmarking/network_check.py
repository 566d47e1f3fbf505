"""Time a network by other means: a plain loop, and the runtime's own benchmark.

The network's share of a detection is measured by hooks inside it (`phases`). Where a loop over the
bare network, or the tool of those who made the runtime, finds another time, one of them is wrong.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median
from typing import Any

import torch

from singleshot.benchmarking.result import NetworkCheck
from singleshot.benchmarking.runtime_tools import time_with_own_tool
from singleshot.benchmarking.timing_process import TimingJob, TimingProcess
from singleshot.detectors.detector import TrainableDetector
from singleshot.runtimes.exported import ExportedDetector
from singleshot.structures import Detector

__all__ = ["check_in_process", "time_network"]

SECONDS = 2.0  # of each measurement
WARM_UP = 3


def check_in_process(job: TimingJob) -> NetworkCheck | None:
    """Time the network of a detector in a process of its own; None where that cannot be done.

    Raises RunFailed when the process ends.
    """
    with TimingProcess(job) as process:
        process.receive()
        process.send({"check": True})
        found = process.receive()["check"]
    return None if found is None else NetworkCheck(**found)


def time_network(detector: Detector) -> dict[str, Any] | None:
    """Time the bare network of a detector; None for a detector of an unknown kind."""
    if isinstance(detector, TrainableDetector):
        return _time_module(detector)
    if isinstance(detector, ExportedDetector):
        return _time_engine(detector)
    return None


def _time_module(detector: TrainableDetector) -> dict[str, Any]:
    """Time a network in PyTorch, without the normalisation that it begins with."""
    (height, width), device = detector.settings.input, detector.pixel_mean.device
    images = 255 * torch.rand(1, 3, height, width, device=device)
    images = images.contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        plain = _plain_loop(lambda: _finish(detector(images), device)) - _plain_loop(
            lambda: _finish(detector.pixels(images), device)
        )
        own = _by_timer("detector(images)", detector, images) - _by_timer(
            "detector.pixels(images)", detector, images
        )
    return {"plain_ms": plain, "own_ms": own, "own_tool": "torch.utils.benchmark"}


def _time_engine(detector: ExportedDetector) -> dict[str, Any]:
    """Time a model in its runtime, and with the runtime's own tool."""
    height, width = detector.input_size
    images = torch.randint(0, 256, (1, 3, height, width), dtype=torch.uint8)
    batch = detector.preprocess(list(images))
    plain = _plain_loop(lambda: detector.infer(batch))
    own = time_with_own_tool(detector, batch, torch.get_num_threads())
    return {
        "plain_ms": plain,
        "own_ms": own.milliseconds if own else None,
        "own_tool": own.tool if own else None,
    }


def _finish(outputs: object, device: torch.device) -> None:
    """Wait until a GPU has computed the outputs."""
    del outputs
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _by_timer(statement: str, detector: TrainableDetector, images: torch.Tensor) -> float:
    """Return the median milliseconds by PyTorch's timer, which waits for a GPU."""
    # Looks for compilers.
    from torch.utils.benchmark import Timer  # noqa: PLC0415

    timer = Timer(
        statement,
        globals={"detector": detector, "images": images},
        num_threads=torch.get_num_threads(),
    )
    return 1000 * float(timer.blocked_autorange(min_run_time=SECONDS / 2).median)


def _plain_loop(work: Callable[[], object]) -> float:
    """Return the median milliseconds of a call."""
    for _ in range(WARM_UP):
        work()
    times: list[float] = []
    end = time.perf_counter() + SECONDS / 2
    while not times or time.perf_counter() < end:
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return 1000 * median(times)
