"""A training that keeps an appointment: its number of steps follows the machine's speed.

Machines change speed. At a quarter, half and three quarters of the way the rest is planned anew
when the end would come too late or well too early, and after that whenever it would come too late.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

from singleshot.data.batching import TrainingBatches
from singleshot.runs.progress import Progress
from singleshot.structures import Batch
from singleshot.training.budget import TimeBudget, in_words
from singleshot.training.loop import Training

__all__ = ["Pace", "paced"]

MARKS = (0.25, 0.5, 0.75)  # parts of the schedule
LATE, EARLY = 0.01, 0.03  # of the budget: what is borne at a mark
FEW = 3  # steps whose mean says little


@dataclass
class Pace:
    """The clock of one training; times are in seconds, moments by the monotonic clock."""

    budget: TimeBudget
    step: float  # what a step takes, with its data: measured again from mark to mark
    validation: float  # what a validation takes: measured again at each
    finish: float  # what is done after the last step and its validation
    num_passed: int = 0  # marks
    num_steps: int = 0  # since the last mark
    seconds: float = 0.0  # of these steps

    def took(self, seconds: float, *, validated: bool) -> None:
        """Note the time of a step, or of a step and the validation that came after it."""
        if validated:
            self.validation = max(seconds - self.step, 0.0)
            return
        self.seconds += seconds
        self.num_steps += 1
        if self.num_steps >= FEW:
            self.step = self.seconds / self.num_steps

    def better_end(self, progress: Progress, *, validations_left: int, now: float) -> int | None:
        """Another number of steps for the whole training, where it would not end in time."""
        passed = sum(progress.part >= mark for mark in MARKS)
        at_mark = passed > self.num_passed
        if progress.all_steps_done or not (at_mark or passed == len(MARKS)):
            return None
        after_steps = validations_left * self.validation + self.finish
        steps_left = progress.num_steps - progress.step
        early = (self.budget.aim - now - after_steps - steps_left * self.step) / self.budget.seconds
        if at_mark:
            self.num_passed, self.num_steps, self.seconds = passed, 0, 0.0
        elif early > (self.budget.aim - self.budget.end) / self.budget.seconds / 2:
            return None  # within half of what was kept back
        if -LATE < early < EARLY:
            return None
        fitting = max(int((self.budget.aim - now - after_steps) / self.step), 1)
        return progress.step + fitting if fitting != steps_left else None


def paced(training: Training, pace: Pace, batches: TrainingBatches) -> Iterator[Batch]:
    """The batches of a training, as many as fit its time."""
    while not training.progress.all_steps_done:
        progress, start = training.progress, time.monotonic()
        for batch in batches.between(progress.step, progress.num_steps):
            yield batch
            now = time.monotonic()
            validated = training.progress.validated == training.progress.step
            pace.took(now - start, validated=validated)
            start = now
            if replanned(training, pace, now):
                # Batches may depend on how many there are; some were prepared already.
                break


def replanned(training: Training, pace: Pace, now: float) -> bool:
    """Whether the training got another number of steps, which is said aloud."""
    before = training.progress
    num_steps = pace.better_end(before, validations_left=training.validations_left, now=now)
    if num_steps is None:
        return False
    training.change_num_steps(num_steps)
    training.callback.on_message(
        f"step {before.step}: a step takes {in_words(pace.step)} now; to end in time the training "
        f"gets {num_steps} steps instead of {before.num_steps}"
    )
    return True
