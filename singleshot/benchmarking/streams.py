"""Time several copies of a detector at work at the same time: throughput instead of latency.

Each copy is a stream: a process with its own detector and threads. Between them nothing is shared
but the machine, as when a program starts a detector for each camera. All begin when all are warm;
what counts are the images detected while every stream was at work.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

from singleshot.benchmarking.timing import DetectorTimings, wait_until_ready
from singleshot.benchmarking.timing_process import TimingJob, TimingProcess
from singleshot.metrics.speed import Seconds

__all__ = ["StreamPlan", "StreamTimings", "time_streams"]


@dataclass(frozen=True)
class StreamPlan:
    """Number of streams, and length of their turns."""

    num_streams: int
    batch: int = 1
    rounds: int = 6
    seconds: float = 2.0  # of a round


@dataclass
class StreamTimings:
    """Timings of all streams of one detector."""

    of_streams: list[DetectorTimings] = field(default_factory=list)
    images_per_second: list[float] = field(default_factory=list)  # of all together, of each round

    @property
    def peak_memory_mb(self) -> float | None:
        """Peak memory of all processes together."""
        return _sum([one for own in self.of_streams for one in own.peaks.values()])

    @property
    def memory_before_mb(self) -> float | None:
        """Memory of all processes together, before they had a detector."""
        return _sum([own.memory_before_mb for own in self.of_streams])


def time_streams(
    jobs: Sequence[TimingJob], plan: StreamPlan, on_message: Callable[[str], None]
) -> list[StreamTimings]:
    """Time the streams of each detector in turns, round after round.

    Raises RunFailed when one cannot be timed.
    """
    timings = [StreamTimings() for _ in jobs]
    with ExitStack() as stack:
        processes = [
            [stack.enter_context(TimingProcess(job)) for _ in range(plan.num_streams)]
            for job in jobs
        ]
        for own, streams in zip(timings, processes, strict=True):
            own.of_streams = [wait_until_ready(one) for one in streams]
        pairs = list(zip(processes, timings, strict=True))
        for streams, own in pairs:
            _take_turn(streams, own, plan, count=False)
        for number in range(plan.rounds):
            on_message(f"timing {plan.num_streams} streams: round {number + 1} of {plan.rounds}")
            for streams, own in pairs if number % 2 == 0 else pairs[::-1]:
                _take_turn(streams, own, plan, count=True)
    return timings


def _take_turn(
    streams: Sequence[TimingProcess], timings: StreamTimings, plan: StreamPlan, *, count: bool
) -> None:
    """Let all streams of a detector work for a moment; not counted, once to warm up."""
    turn = {"batch": plan.batch, "num_batches": None, "max_seconds": plan.seconds}
    for stream in streams:
        stream.send(turn if count else {**turn, "num_batches": 0})
    spans: list[list[tuple[float, float]]] = []
    for stream, own in zip(streams, timings.of_streams, strict=True):
        reply = stream.receive()
        seconds = [Seconds(*one) for one in reply["timings"]]
        own.peaks[plan.batch], own.about = reply["peak_memory_mb"], reply["about"]
        if count:
            own.rounds.setdefault(plan.batch, []).append(seconds)
            own.detections.setdefault(plan.batch, []).append(reply["detections_per_image"])
            starts = reply["starts"]
            spans.append([(at, at + one.total) for at, one in zip(starts, seconds, strict=True)])
    if count:
        timings.images_per_second.append(plan.batch * completed_per_second(spans))


def completed_per_second(spans: Sequence[Sequence[tuple[float, float]]]) -> float:
    """Count batches a second while all streams were at work, those at the ends by their share.

    Time between two batches, in which a stream takes the next images, does not count. Streams that
    were never at work together have the sum of what each did alone.

    Args:
        spans: beginning and end of each batch of each stream, in seconds.
    """
    begin = max(stream[0][0] for stream in spans)
    end = min(stream[-1][1] for stream in spans)
    if begin >= end:
        begin, end = -math.inf, math.inf
    return sum(_per_second(stream, begin, end) for stream in spans)


def _per_second(stream: Sequence[tuple[float, float]], begin: float, end: float) -> float:
    """Count the batches of one stream a second of work within a time."""
    busy = [max(min(last, end) - max(first, begin), 0.0) for first, last in stream]
    shares = [own / (last - first) for own, (first, last) in zip(busy, stream, strict=True)]
    return sum(shares) / sum(busy)


def _sum(values: Sequence[float | None]) -> float | None:
    """Add values up; None where one is unknown."""
    known = [one for one in values if one is not None]
    return sum(known) if len(known) == len(values) else None
