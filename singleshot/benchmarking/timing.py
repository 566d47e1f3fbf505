"""Time several detectors on one machine in alternating turns.

Each detector lives in a process of its own and is timed for a moment, then the next, round after
round, every other round in reverse, so that other load on the machine disturbs all alike. Nothing
else runs while one is timed. A first round and the first detections of each turn are not counted,
and no image is seen twice. Reported numbers are medians.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from singleshot.benchmarking.machine import Machine
from singleshot.benchmarking.timing_process import TimingJob, TimingProcess
from singleshot.data.dataset import DataSet
from singleshot.errors import RunFailed
from singleshot.metrics.speed import Seconds, Speed

__all__ = [
    "DetectorTimings",
    "TimingJob",
    "TimingPlan",
    "spread_images",
    "time_in_turns",
    "wait_until_ready",
]


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

    machine: Machine
    failure: str = ""  # why it could not be timed
    about: Mapping[str, Any] = field(
        default_factory=dict
    )  # runtime, precision … (`about_detector`)
    summary: Mapping[str, Any] = field(default_factory=dict)  # the JSON of `models show`
    memory_before_mb: float | None = None  # of the process, before the detector was loaded
    rounds: dict[int, list[list[Seconds]]] = field(default_factory=dict)  # by size of batches
    peaks: dict[int, float | None] = field(default_factory=dict)
    joules: dict[int, list[float | None]] = field(default_factory=dict)  # per image, of each turn
    detections: dict[int, list[float]] = field(default_factory=dict)  # per image, of each turn

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
    with ExitStack() as stack:
        processes = [stack.enter_context(TimingProcess(job)) for job in jobs]
        timings = [wait_until_ready(process) for process in processes]
        pairs = list(zip(processes, timings, strict=True))
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


def wait_until_ready(process: TimingProcess) -> DetectorTimings:
    """Wait until the images are read, and note machine and memory."""
    reply = process.receive()
    machine = Machine.from_json(reply["machine"])
    return DetectorTimings(machine, memory_before_mb=reply["memory_before_mb"])


def _take_turn(
    process: TimingProcess,
    timings: DetectorTimings,
    batch: int,
    plan: TimingPlan,
    num_batches: int,
) -> None:
    """Time so many batches of one size; with none, only warm up."""
    process.send(
        {
            "batch": batch,
            "num_batches": num_batches,
            "max_seconds": plan.max_seconds,
            "rebuild": plan.rebuild,
            "summarise": plan.summarise and not timings.summary,
        }
    )
    reply = process.receive()
    if num_batches:
        rounds = timings.rounds.setdefault(batch, [])
        rounds.append([Seconds(*one) for one in reply["timings"]])
        timings.joules.setdefault(batch, []).append(reply["joules_per_image"])
        timings.detections.setdefault(batch, []).append(reply["detections_per_image"])
    timings.peaks[batch] = reply["peak_memory_mb"]
    timings.about = reply["about"]
    timings.summary = reply["summary"] or timings.summary


def _time_round(
    pairs: Sequence[tuple[TimingProcess, DetectorTimings]],
    batch: int,
    plan: TimingPlan,
    num_batches: int,
) -> None:
    """Give each detector a turn; note the failure of one where the plan skips failures."""
    for process, own in pairs:
        if own.failure or own.exceeds(batch, plan.max_seconds):
            continue
        try:
            _take_turn(process, own, batch, plan, num_batches)
        except RunFailed as error:
            if not plan.skip_failures:
                raise
            own.failure = str(error)
