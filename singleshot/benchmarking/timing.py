"""Time several detectors on one machine in alternating turns.

Each detector lives in a process of its own and is timed for a moment, then the next, round after
round, every other round in reverse, so that other load on the machine disturbs all alike. Nothing
else runs while one is timed. A first round and the first detections of each turn are not counted,
and no image is seen twice. Reported numbers are medians.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from singleshot.data.dataset import DataSet
from singleshot.errors import RunFailed
from singleshot.metrics.speed import Seconds, Speed

__all__ = ["DetectorTimings", "TimingJob", "TimingPlan", "spread_images", "time_in_turns"]


@dataclass(frozen=True)
class TimingJob:
    """A detector to time: a trained model, or the network of a recipe with random weights."""

    name: str
    images: Sequence[Path]
    model: Path | None = None
    recipe: str = ""
    num_classes: int = 0
    device: str = "auto"

    def to_json(self) -> dict[str, Any]:
        """Convert to the first line that the worker reads."""
        detector: dict[str, Any] = {"recipe": self.recipe, "num_classes": self.num_classes}
        if self.model is not None:
            detector = {"model": str(self.model)}
        images = [str(path) for path in self.images]
        return {**detector, "device": self.device, "images": images}


@dataclass(frozen=True)
class TimingPlan:
    """Number and length of the turns of each detector."""

    batches: Mapping[int, int]  # size of a batch -> batches in a turn
    rounds: int = 6
    max_seconds: float = 30.0  # of one detector and batch size; then it takes no further turns
    rebuild: bool = False  # build each detector for each turn: all together may not fit in memory
    summarise: bool = False  # report parameters, multiply-adds and boxes as well
    skip_failures: bool = False  # time the others when one cannot be timed


@dataclass
class DetectorTimings:
    """Timings of one detector so far."""

    failure: str = ""  # why it could not be timed
    machine: Mapping[str, Any] = field(default_factory=dict)
    summary: Mapping[str, Any] = field(default_factory=dict)  # the JSON of `models show`
    memory_before_mb: float | None = None  # of the process, before the detector was loaded
    rounds: dict[int, list[list[Seconds]]] = field(default_factory=dict)  # by size of batches
    peaks: dict[int, float | None] = field(default_factory=dict)

    @property
    def speeds(self) -> tuple[Speed, ...]:
        """Medians for each size of batches, smallest first."""
        return tuple(
            Speed.of(batch, rounds, peak_memory_mb=self.peaks[batch])
            for batch, rounds in sorted(self.rounds.items())
        )

    @property
    def memory_mb(self) -> float | None:
        """Peak memory with one image at a time, above that of the process without a detector."""
        peak, before = self.peaks.get(1), self.memory_before_mb
        return None if peak is None or before is None else max(peak - before, 0.0)

    def exceeds(self, batch: int, max_seconds: float) -> bool:
        """Return True when another turn with this batch size would take too long."""
        if batch in self.rounds:
            return sum(one.total for turn in self.rounds[batch] for one in turn) > max_seconds
        single = [speed.total_ms for speed in self.speeds if speed.batch == 1]
        return bool(single) and batch * single[0] / 1000 > max_seconds


def time_in_turns(
    jobs: Sequence[TimingJob], plan: TimingPlan, on_message: Callable[[str], None]
) -> list[DetectorTimings]:
    """Time all detectors in alternating turns; small batches in all rounds before larger ones.

    Raises RunFailed when one cannot be timed, unless the plan skips failures.
    """
    timings = [DetectorTimings() for _ in jobs]
    with ExitStack() as stack:
        processes = [stack.enter_context(_Process(job)) for job in jobs]
        pairs = list(zip(processes, timings, strict=True))
        for process, own in pairs:
            process.wait_until_ready(own)
        for batch in sorted(plan.batches):
            if not plan.rebuild:
                # With many processes the first turns of some were twice as slow as all others.
                on_message(f"batches of {batch}: warm-up round, not counted")
                _time_round(pairs, batch, plan, num_batches=0)
            for number in range(plan.rounds):
                on_message(f"timing batches of {batch}: round {number + 1} of {plan.rounds}")
                ordered = pairs if number % 2 == 0 else pairs[::-1]
                _time_round(ordered, batch, plan, plan.batches[batch])
    return timings


def spread_images(dataset: DataSet, number: int) -> list[Path]:
    """Return the paths of so many images at equal distances through a data set."""
    indices = np.linspace(0, len(dataset) - 1, min(number, len(dataset))).round().astype(int)
    return [Path(str(dataset.paths[index])) for index in indices]


class _Process:
    """A process with a detector in it."""

    def __init__(self, job: TimingJob) -> None:
        self.job = job
        self.stderr_file = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115 (until exit)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "singleshot.benchmarking.timing_worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.stderr_file,
            text=True,
            encoding="utf-8",
        )
        self.send(job.to_json())

    def __enter__(self) -> _Process:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.process.kill()
        self.process.communicate()
        self.stderr_file.close()

    def send(self, document: Mapping[str, Any]) -> None:
        """Write one line; a process that has ended is noticed when its reply is read."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(json.dumps(document) + "\n")
            self.process.stdin.flush()
        except OSError:
            pass

    def receive(self) -> dict[str, Any]:
        """Wait for one line.

        Raises RunFailed when the process has ended, as for want of memory.
        """
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise RunFailed(f"{self.job.name}: could not be timed: {self.exit_reason()}")
        reply: dict[str, Any] = json.loads(line)
        return reply

    def exit_reason(self) -> str:
        """Return the error at the end of stderr, or the exit code."""
        code = self.process.wait()
        self.stderr_file.seek(0)
        lines = self.stderr_file.read().strip().splitlines()
        if code < 0:
            return f"its process was killed (signal {-code}); is there enough memory for it?"
        # Further lines of an error are indented.
        starts = [number for number, line in enumerate(lines) if line == line.lstrip()]
        if not starts:
            return f"its process ended with code {code}"
        return "\n".join(lines[starts[-1] :])

    def wait_until_ready(self, timings: DetectorTimings) -> None:
        """Wait until the images are read, and note machine and memory."""
        reply = self.receive()
        timings.machine = reply["machine"]
        timings.memory_before_mb = reply["memory_before_mb"]

    def take_turn(
        self, timings: DetectorTimings, batch: int, plan: TimingPlan, num_batches: int
    ) -> None:
        """Time so many batches of one size; with none, only warm up."""
        self.send(
            {
                "batch": batch,
                "num_batches": num_batches,
                "max_seconds": plan.max_seconds,
                "rebuild": plan.rebuild,
                "summarise": plan.summarise and not timings.summary,
            }
        )
        reply = self.receive()
        if num_batches:
            rounds = timings.rounds.setdefault(batch, [])
            rounds.append([Seconds(*one) for one in reply["timings"]])
        timings.peaks[batch] = reply["peak_memory_mb"]
        timings.summary = reply["summary"] or timings.summary


def _time_round(
    pairs: Sequence[tuple[_Process, DetectorTimings]],
    batch: int,
    plan: TimingPlan,
    num_batches: int,
) -> None:
    """Give each detector a turn; note the failure of one where the plan skips failures."""
    for process, own in pairs:
        if own.failure or own.exceeds(batch, plan.max_seconds):
            continue
        try:
            process.take_turn(own, batch, plan, num_batches)
        except RunFailed as error:
            if not plan.skip_failures:
                raise
            own.failure = str(error)
