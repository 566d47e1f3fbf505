"""How fast is training on a device? Beside torchvision's own, with the waits of the host counted.

Both sides train the same network from the same files, in this process and in turns; batches are
drawn before the clock starts, and the time for drawing them is measured apart.
"""

from __future__ import annotations

import math
import statistics
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import torch
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

from benchmarks.gpu_checks import Case
from benchmarks.reference_training import ReferenceTraining
from benchmarks.timing import ratio
from singleshot.data.dataset import DataSet
from singleshot.data.splits import TrainingData
from singleshot.recipes.load import load_recipe
from singleshot.runs.folder import RunFolder
from singleshot.structures import Batch
from singleshot.training.build import TrainingSetup, build_training
from singleshot.training.frozen import set_training_mode
from singleshot.training.loop import Training
from singleshot.training.profile import synchronised_time

__all__ = [
    "TIMED",
    "Measurement",
    "ReferenceOnDevice",
    "Row",
    "Timed",
    "count_waits",
    "measurements",
    "our_training",
]

HELD = 4  # batches in memory
WARM_UP = 3

# Calls of CUDA during which the host waits. A copy to the host waits as well, and is counted by
# the call that follows it: cudaMemcpyAsync from pageable memory, then cudaStreamSynchronize.
WAITING_CALLS = frozenset(
    {"cudaStreamSynchronize", "cudaDeviceSynchronize", "cudaEventSynchronize", "cudaMemcpy"}
)
TO_HOST = "Memcpy DtoH"


class Row(NamedTuple):
    """A line of the table: what was measured, ours, the peer's, and their ratio or a note."""

    name: str
    ours: str
    peer: str = ""
    note: str = ""


Measurement = Callable[[], list[Row]]


@dataclass(frozen=True)
class Timed:
    """A network by our recipe and torchvision's name, and how much of it is timed."""

    case: Case
    model: str
    batch: int = 32
    workers: int = 8
    rounds: int = 7
    steps: int = 5  # of a round
    inference: Sequence[int] = field(default=(1, 32))


TIMED = (
    Timed(
        Case(
            "ssdlite320-mobilenet-v3",
            # torchvision's preset for its SSDLite leaves colours as they are and does not zoom out.
            {
                "augmentation.photometric.probability": 0.0,
                "augmentation.expand.probability": 0.0,
            },
        ),
        "ssdlite320_mobilenet_v3_large",
    ),
    Timed(Case("ssd300-vgg16", {"model.backbone.weights": "none"}), "ssd300_vgg16"),
)


class ReferenceOnDevice(ReferenceTraining):
    """torchvision's training, with its batches copied to the device as `train_one_epoch` does."""

    def __init__(
        self, name: str, images: DataSet, *, batch_size: int, workers: int, device: torch.device
    ) -> None:
        """Build the model as on the CPU, and move it; its parameters stay the same objects."""
        super().__init__(name, images, batch_size=batch_size, workers=workers)
        self.device = device
        self.model.to(device)

    def step(self, batch: tuple[Sequence[Tensor], Sequence[dict[str, Tensor]]]) -> None:
        """Copy the batch and take the step."""
        images, targets = batch
        super().step(
            (
                [image.to(self.device) for image in images],
                [{key: value.to(self.device) for key, value in one.items()} for one in targets],
            )
        )


def measurements(timed: Timed, images: DataSet, device: torch.device) -> dict[str, Measurement]:
    """Name the measurements of a network, the most important first."""
    return {
        f"{timed.case.recipe}: training step": partial(measure_steps, timed, images, device),
        f"{timed.case.recipe}: host waits": partial(measure_waits, timed, images, device),
        f"{timed.case.recipe}: inference": partial(measure_inference, timed, images, device),
        f"{timed.case.recipe}: data": partial(measure_data, timed, images, device),
    }


@contextmanager
def our_training(
    timed: Timed,
    images: DataSet,
    device: torch.device,
    *,
    precision: str = "float32",
    workers: int = 0,
) -> Iterator[tuple[Training, Iterator[Batch]]]:
    """Build a training as `singleshot train` does."""
    overrides: Mapping[str, object] = {
        **timed.case.overrides,
        "training.batch_size": timed.batch,
        "training.workers": workers,
        "training.precision": precision,
    }
    recipe = load_recipe(timed.case.recipe, overrides)
    with TemporaryDirectory() as folder:
        setup = TrainingSetup(
            TrainingData(images, None, ()), RunFolder(Path(folder)), device=device
        )
        training, batches = build_training(recipe, images, setup)
        set_training_mode(training.model, training.recipe.training.frozen_parts)
        yield training, iter(batches)


def measure_steps(timed: Timed, images: DataSet, device: torch.device) -> list[Row]:
    """Time steps on batches in memory by turns, and the peak of each side's memory."""
    theirs = ReferenceOnDevice(
        timed.model, images, batch_size=timed.batch, workers=0, device=device
    )
    drawn = iter(theirs.loader)
    held = [next(drawn) for _ in range(HELD)]
    rows = []
    for precision in ("float32", "bfloat16"):
        if precision == "bfloat16" and device.type != "cuda":
            continue
        with our_training(timed, images, device, precision=precision) as (training, batches):
            ours = [next(batches) for _ in range(HELD)]
            works: list[Callable[[int], object]] = [
                partial(step_of_ours, training, ours),
                lambda number: theirs.step(held[number]),
            ]
            mine, peer = in_turns(works, timed, device)
            peaks = [peak_memory(work, device) for work in works]
        rows += [
            Row(
                f"{timed.case.recipe}: training step, batch {timed.batch}, {precision}",
                f"{statistics.median(mine):.1f} ms",
                f"{statistics.median(peer):.1f} ms (float32)",
                f"{ratio(peer, mine):.2f} times as fast",
            ),
            Row(
                f"{timed.case.recipe}: peak memory, {precision}",
                mebibytes(peaks[0]),
                mebibytes(peaks[1]),
            ),
        ]
    return rows


def step_of_ours(training: Training, held: Sequence[Batch], number: int) -> None:
    training.step(held[number], 0.0)


def detect_by_ours(training: Training, decoded: list[Tensor], _: int) -> None:
    training.model.detect(decoded)


def detect_by_theirs(theirs: ReferenceOnDevice, decoded: list[Tensor], _: int) -> None:
    """Detect as torchvision does, with images from the host and results back there."""
    for found in theirs.model([image.to(theirs.device).float() / 255 for image in decoded]):
        for value in found.values():
            value.cpu()


def in_turns(
    works: Sequence[Callable[[int], object]], timed: Timed, device: torch.device
) -> list[list[float]]:
    """Time rounds of each work by turns, in milliseconds a step; the first round warms up."""
    times: list[list[float]] = [[] for _ in works]
    for _ in range(timed.rounds + 1):
        for work, taken in zip(works, times, strict=True):
            start = synchronised_time(device)
            for step in range(timed.steps):
                work(step % HELD)
            taken.append(1000 * (synchronised_time(device) - start) / timed.steps)
    return [taken[1:] for taken in times]


def peak_memory(work: Callable[[int], object], device: torch.device) -> float:
    """Measure the most bytes that tensors of this process took during a step; NaN on a CPU.

    What both sides hold all the time, weights above all, is left out.
    """
    if device.type != "cuda":
        return math.nan
    torch.cuda.synchronize(device)
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)
    work(0)
    torch.cuda.synchronize(device)
    return float(torch.cuda.max_memory_allocated(device) - before)


def mebibytes(number: float) -> str:
    return "" if math.isnan(number) else f"{number / 2**20:,.0f} MiB"


def measure_waits(timed: Timed, images: DataSet, device: torch.device) -> list[Row]:
    """Count the waits of the host in a step of each side, and name the lines of ours."""
    theirs = ReferenceOnDevice(
        timed.model, images, batch_size=timed.batch, workers=0, device=device
    )
    held = next(iter(theirs.loader))
    with our_training(timed, images, device) as (training, batches):
        batch = next(batches)
        mine, peer = (
            profiled_waits(work, timed.steps, device)
            for work in (lambda: training.step(batch, 0.0), lambda: theirs.step(held))
        )
        lines = lines_that_wait(lambda: training.step(batch, 0.0), device)
    name = f"{timed.case.recipe}: waits of the host for the GPU in a step"
    copies = f"{timed.case.recipe}: copies to the host in a step"
    places = ", ".join(f"{place} ({number} ×)" for place, number in lines.most_common())
    return [
        Row(name, f"{mine[0]:.1f}", f"{peer[0]:.1f}", places),
        Row(copies, f"{mine[1]:.1f}", f"{peer[1]:.1f}"),
    ]


def profiled_waits(
    work: Callable[[], object], steps: int, device: torch.device
) -> tuple[float, float]:
    """Count waits and copies to the host by torch's profiler, of one step."""
    for _ in range(WARM_UP):
        work()
    on_gpu = device.type == "cuda"
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_gpu else [])]
    with profile(activities=activities, acc_events=True) as recorded:
        for _ in range(steps):
            work()
    return count_waits((event.name for event in recorded.events() or ()), steps)


def count_waits(names: Iterable[str], steps: int) -> tuple[float, float]:
    """Count by the names of recorded events, for each step: waits, and copies to the host."""
    counts = Counter(names)
    waits = sum(number for name, number in counts.items() if name in WAITING_CALLS)
    copies = sum(number for name, number in counts.items() if name.startswith(TO_HOST))
    # The profiler itself waits once at its end.
    return max(waits - 1, 0) / steps, copies / steps


def lines_that_wait(work: Callable[[], object], device: torch.device) -> Counter[str]:
    """Count the waits of one call by file and line, as torch's debug mode finds them."""
    if device.type != "cuda":
        return Counter()
    torch.cuda.set_sync_debug_mode("warn")
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            work()
    finally:
        torch.cuda.set_sync_debug_mode("default")
    return Counter(
        f"{Path(one.filename).name}:{one.lineno}"
        for one in caught
        if "synchroniz" in str(one.message)
    )


def measure_inference(timed: Timed, images: DataSet, device: torch.device) -> list[Row]:
    """Time images in memory to boxes in memory: batches of decoded images of one size."""
    theirs = ReferenceOnDevice(timed.model, images, batch_size=1, workers=0, device=device)
    theirs.model.eval()
    random = torch.Generator().manual_seed(0)
    rows = []
    with our_training(timed, images, device) as (training, _), torch.inference_mode():
        training.model.eval()
        for number in timed.inference:
            pixels = torch.randint(256, (number, 3, 375, 500), generator=random, dtype=torch.uint8)
            decoded = list(pixels)
            works: list[Callable[[int], object]] = [
                partial(detect_by_ours, training, decoded),
                partial(detect_by_theirs, theirs, decoded),
            ]
            mine, peer = in_turns(works, timed, device)
            rows.append(
                Row(
                    f"{timed.case.recipe}: inference, batch {number}, float32, fresh weights",
                    f"{statistics.median(mine):.1f} ms",
                    f"{statistics.median(peer):.1f} ms",
                    f"{ratio(peer, mine):.2f} times as fast",
                )
            )
    return rows


def measure_data(timed: Timed, images: DataSet, device: torch.device) -> list[Row]:
    """Time whole steps, drawing included, and the share of waiting for batches."""
    number = timed.rounds * timed.steps
    loading = our_training(timed, images, device, workers=timed.workers)
    with loading as (training, batches):
        for _ in range(WARM_UP):
            training.step(next(batches), 0.0)
        waiting, start = 0.0, synchronised_time(device)
        for _ in range(number):
            requested = time.monotonic()
            batch = next(batches)
            seconds = time.monotonic() - requested
            waiting += seconds
            training.step(batch, seconds)
        whole = synchronised_time(device) - start
    name = f"{timed.case.recipe}: step with its data, {timed.workers} workers"
    return [Row(name, f"{1000 * whole / number:.1f} ms", "", f"{waiting / whole:.0%} waiting")]
