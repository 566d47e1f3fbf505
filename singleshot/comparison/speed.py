"""The speed of several detectors on one machine, measured in turns.

Each lives in a process of its own and is timed for a moment, then the next, round after round, and
every other round in reverse: whatever else the machine does meanwhile disturbs all alike. Nothing
else runs while one is timed, a first round and the first detections of each turn do not count, and
no image is seen twice. What is told are medians.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from singleshot.errors import RunFailed
from singleshot.metrics.speed import Seconds, Speed
from singleshot.runs.callbacks import OnMessage

__all__ = ["Job", "Measured", "Turns", "measure_in_turns"]


@dataclass(frozen=True)
class Job:
    """A detector to time: a trained model, or a recipe's network with random weights."""

    name: str
    images: Sequence[Path]
    model: Path | None = None
    recipe: str = ""
    num_classes: int = 0

    def to_json(self) -> dict[str, Any]:
        """For the process that does it."""
        what: dict[str, Any] = {"recipe": self.recipe, "num_classes": self.num_classes}
        if self.model is not None:
            what = {"model": str(self.model)}
        return {**what, "images": [str(path) for path in self.images]}


@dataclass(frozen=True)
class Turns:
    """How often, and how long, everyone's turn is."""

    batches: Mapping[int, int]  # size of a batch -> batches in a turn
    rounds: int = 6
    longest: float = 30.0  # seconds of one detector for one size of batches; then it has had enough
    forget: bool = False  # whether each is built anew for each turn: all at once may not fit
    describe: bool = False  # whether each tells what it is made of, too
    go_on: bool = False  # with the others when one cannot be timed


@dataclass
class Measured:
    """What is known of one detector so far."""

    failure: str = ""  # why it could not be timed
    machine: Mapping[str, Any] = field(default_factory=dict)
    summary: Mapping[str, Any] = field(default_factory=dict)  # as `models show` tells it
    memory_before_mb: float | None = None  # of the process, before there was a detector
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
        """The most that one image at a time took, beyond what the program takes without it."""
        peak, before = self.peaks.get(1), self.memory_before_mb
        return None if peak is None or before is None else max(peak - before, 0.0)

    def has_enough(self, batch: int, longest: float) -> bool:
        """Whether another turn would take too long."""
        if batch in self.rounds:
            return sum(one.total for turn in self.rounds[batch] for one in turn) > longest
        alone = [speed.total_ms for speed in self.speeds if speed.batch == 1]
        return bool(alone) and batch * alone[0] / 1000 > longest


class Timed:
    """A process with a detector in it."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.complaints = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115 (until exit)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "singleshot.comparison.speed_worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.complaints,
            text=True,
            encoding="utf-8",
        )
        self.tell(job.to_json())

    def __enter__(self) -> "Timed":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.process.kill()
        self.process.communicate()
        self.complaints.close()

    def tell(self, document: Mapping[str, Any]) -> None:
        """Send one line; a process that is gone is noticed when it does not answer."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(json.dumps(document) + "\n")
            self.process.stdin.flush()
        except OSError:
            pass

    def answer(self) -> dict[str, Any]:
        """Wait for one line.

        Raises RunFailed when the process has ended instead, as for want of memory.
        """
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise RunFailed(f"{self.job.name}: could not be timed: {self.last_words()}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def last_words(self) -> str:
        """Why the process ended, as far as it said."""
        code = self.process.wait()
        self.complaints.seek(0)
        lines = self.complaints.read().strip().splitlines()
        if code < 0:
            return f"its process was killed (signal {-code}); is there memory enough for it?"
        return lines[-1] if lines else f"its process ended with code {code}"

    def began(self, found: Measured) -> None:
        """Wait until it is ready."""
        answer = self.answer()
        found.machine = answer["machine"]
        found.memory_before_mb = answer["memory_before_mb"]

    def turn(self, found: Measured, batch: int, turns: Turns, number: int) -> None:
        """Time so many batches of one size; none, to get used to them."""
        self.tell(
            {
                "batch": batch,
                "number": number,
                "longest": turns.longest,
                "forget": turns.forget,
                "describe": turns.describe and not found.summary,
            }
        )
        answer = self.answer()
        if number:
            found.rounds.setdefault(batch, []).append([Seconds(*one) for one in answer["timings"]])
        found.peaks[batch] = answer["peak_memory_mb"]
        found.summary = answer["summary"] or found.summary


def measure_in_turns(jobs: Sequence[Job], turns: Turns, on_message: OnMessage) -> list[Measured]:
    """Time all detectors; small batches in all rounds before larger ones.

    Raises RunFailed when one cannot be timed, unless the others are to go on.
    """
    found = [Measured() for _ in jobs]
    with ExitStack() as stack:
        processes = [stack.enter_context(Timed(job)) for job in jobs]
        for process, own in zip(processes, found, strict=True):
            process.began(own)
        pairs = list(zip(processes, found, strict=True))
        for batch in sorted(turns.batches):
            if not turns.forget:
                # With so many processes the first turns of some were twice as slow as all others.
                on_message(f"batches of {batch}: a round that does not count")
                take_round(pairs, batch, turns, number=0)
            for place in range(turns.rounds):
                on_message(f"timing batches of {batch}: round {place + 1} of {turns.rounds}")
                ordered = pairs if place % 2 == 0 else pairs[::-1]
                take_round(ordered, batch, turns, turns.batches[batch])
    return found


def take_round(
    pairs: Sequence[tuple[Timed, Measured]], batch: int, turns: Turns, number: int
) -> None:
    """A turn of so many batches for each; why one failed is kept, and the others may go on."""
    for process, own in pairs:
        if own.failure or own.has_enough(batch, turns.longest):
            continue
        try:
            process.turn(own, batch, turns, number)
        except RunFailed as error:
            if not turns.go_on:
                raise
            own.failure = str(error)
