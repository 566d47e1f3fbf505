"""Training and detection beside busy programs: as libgomp waits by default, and as we have it wait.

python -m benchmarks load

A busy program is one thread that never waits. Beside N of them, the fair share of C cores for our C
threads is that of a scheduler which gives every thread the same: C / (C + N) of the rate alone.
Both sides take turns within the same minutes, each a process of its own. The cores that others
used are printed: alone they should be near 0.
"""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from multiprocessing.connection import Connection
from typing import NamedTuple

import torch

from benchmarks.training_step import BATCH, Case, files, our_training
from singleshot.cores import WAITING_CHOSEN, CoreTime, sharing_cores

CASE = Case("ssdlite320-lite0", "", {}, rounds=1, steps=1)
SIDES = ("libgomp's default", "ours")
BUSY_PROGRAMS = (0, 1, 2)
SECONDS = {"training": 3.0, "detection": 1.5}
ADAPTING = 2.2  # seconds before each measurement: others are measured every second
NUM_DETECTED = 8  # images, one at a time


class Rate(NamedTuple):
    """Speed of some work, and the cores that other programs used meanwhile."""

    images_per_second: float
    used_by_others: float


def main() -> None:
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    if len(cores) < 2:
        print("skipped: needs Linux and two cores")
        return
    rates = measure(len(cores))
    print(
        "| images per second | busy programs | fair share | libgomp's default | ours "
        "| times as fast | of the fair share | cores used by others: default, ours |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for kind in SECONDS:
        alone = rates[kind, 0, "ours"].images_per_second
        for number in BUSY_PROGRAMS:
            default, ours = (rates[kind, number, side] for side in SIDES)
            fair = alone * len(cores) / (len(cores) + number)
            print(
                f"| {kind} | {number} | {fair:.1f} | {default.images_per_second:.1f} "
                f"| {ours.images_per_second:.1f} "
                f"| {ours.images_per_second / default.images_per_second:.2f} "
                f"| {ours.images_per_second / fair:.0%} "
                f"| {default.used_by_others:.1f}, {ours.used_by_others:.1f} |"
            )


def measure(num_threads: int) -> dict[tuple[str, int, str], Rate]:
    """Measure by kind of work, number of busy programs and side."""
    start = multiprocessing.get_context("spawn")
    pipes, processes, rates = {}, [], {}
    for side in SIDES:
        pipes[side], there = start.Pipe()
        processes.append(start.Process(target=run_side, args=(side, num_threads, there)))
        with waiting_by_default():
            processes[-1].start()
    try:
        for pipe in pipes.values():
            pipe.recv()
        for number in BUSY_PROGRAMS:
            with busy_programs(number):
                for side, pipe in pipes.items():
                    pipe.send(True)
                    rates |= {(kind, number, side): rate for kind, rate in pipe.recv().items()}
    finally:
        for pipe, process in zip(pipes.values(), processes, strict=True):
            with suppress(BrokenPipeError):
                pipe.send(False)
            process.join()
    return rates


@contextmanager
def waiting_by_default() -> Iterator[None]:
    """Leave waiting out of the environment, which libgomp reads when it is loaded."""
    before = {name: os.environ.pop(name) for name in WAITING_CHOSEN if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(before)


@contextmanager
def busy_programs(number: int) -> Iterator[None]:
    """Run so many programs that never wait."""
    command = [sys.executable, "-c", "while True: pass"]
    programs = [subprocess.Popen(command) for _ in range(number)]
    try:
        yield
    finally:
        for program in programs:
            program.send_signal(signal.SIGKILL)
            program.wait()


def run_side(side: str, num_threads: int, pipe: Connection) -> None:
    """Measure training and detection on each request."""
    torch.set_num_threads(num_threads)
    with files() as images, our_training(CASE, images, 1, "ours, cached") as (training, batches):
        pixels = [images[index].image for index in range(NUM_DETECTED)]

        def train() -> int:
            training.step(next(batches), 0.0)
            return BATCH

        def detect() -> int:
            for image in pixels:
                training.model.detect([image])
            return len(pixels)

        train()
        pipe.send(None)
        while pipe.recv():
            with sharing_cores() if side == "ours" else nullcontext():
                training.model.train()
                found = {"training": measure_rate(train, SECONDS["training"])}
                training.model.eval()
                with torch.inference_mode():
                    found["detection"] = measure_rate(detect, SECONDS["detection"])
            pipe.send(found)


def measure_rate(work: Callable[[], int], seconds: float) -> Rate:
    """Repeat work, which returns the number of its images, for so many seconds."""
    repeat(work, ADAPTING)
    cores = os.sched_getaffinity(0)
    before, start = CoreTime.now(cores), time.perf_counter()
    images = repeat(work, seconds)
    taken = time.perf_counter() - start
    return Rate(images / taken, CoreTime.now(cores).used_by_others(before))


def repeat(work: Callable[[], int], seconds: float) -> int:
    end, images = time.perf_counter() + seconds, 0
    while time.perf_counter() < end or not images:
        images += work()
    return images
