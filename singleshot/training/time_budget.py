"""Fit a training into a wall time: measure its costs, plan its steps, follow the machine's speed.

The plan fills the time with steps and validations (`allot`). Machines change speed: at some marks
of the schedule the rest is planned anew when it would end too late or well too early, and in the
last quarter whenever it would end too late (`Pace`).
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

from singleshot.data.batching import Images, TrainingBatches
from singleshot.data.dataset import DataSet
from singleshot.errors import SingleshotError
from singleshot.recipes.schema import Recipe
from singleshot.runs.folder import RunFolder
from singleshot.runs.progress import TrainingProgress
from singleshot.structures import Batch
from singleshot.training.frozen import set_training_mode
from singleshot.training.loop import Training
from singleshot.training.options import AIM, TimeBudget, format_duration
from singleshot.training.processes import ALONE
from singleshot.training.profile import synchronised_time
from singleshot.training.validation import BATCH_SIZE, validation_on

__all__ = [
    "Allotment",
    "Costs",
    "Pace",
    "allot",
    "measure_costs",
    "paced_batches",
    "seconds_per_decode",
    "seconds_per_step",
]

FOR_VALIDATION, FOR_MEASURING = 0.1, 0.03  # of the budget

NUM_TRIED = BATCH_SIZE  # images on which decoding and a validation are measured
PAGE, PAGE_IMAGE = 2.0, 0.02  # seconds that drawing the report takes, and for each image

WARM_UP = 3  # steps: caches fill, kernels are chosen, the optimizer allocates its memory
MEASURED, LEAST_MEASURED = 10, 2  # steps

# Parts of the schedule after which the rest is planned anew. The last gives back what a slow
# stretch near the end took away.
MARKS = (0.25, 0.5, 0.75, 0.9)
WATCHED = 0.75  # part from which lateness is looked for at each step
BEHIND, AHEAD = 0.01, 0.03  # of the budget: tolerated at a mark
FEW = 3  # steps, below which their mean is not used


@dataclass(frozen=True)
class Costs:
    """Measured durations of a training, in seconds."""

    step: float  # with its data
    validation: float  # with the saving around it; 0 without a validation
    begin: float  # from the plan to the first step
    finish: float  # after the last validation: the report


@dataclass(frozen=True)
class Allotment:
    """Steps and validations that fit into a time budget."""

    num_steps: int
    validate_every: int  # epochs
    num_validations: int


def allot(
    budget: TimeBudget, now: float, costs: Costs, recipe: Recipe, num_images: int
) -> Allotment:
    """Fill the time with steps; validations take a tenth of it, but there is at least the last.

    Raises SingleshotError when not even one step fits.
    """
    settings = recipe.training
    steps_per_epoch = num_images / settings.batch_size
    available = budget.aim - now - costs.begin - costs.finish
    most = int(FOR_VALIDATION * budget.seconds / costs.validation) if costs.validation else 1
    num_validations = max(most, 1)
    while True:
        num_steps = int((available - num_validations * costs.validation) / costs.step)
        if num_steps < 1:
            raise SingleshotError(_too_short(budget, now, costs))
        num_epochs = num_steps / steps_per_epoch
        every = max(settings.validate_every, math.ceil(num_epochs / num_validations))
        needed = math.ceil(num_epochs / every)
        if needed >= num_validations:
            return Allotment(num_steps, every, num_validations)
        # Fewer than there may be: what they do not take becomes steps.
        num_validations = needed


def _too_short(budget: TimeBudget, now: float, costs: Costs) -> str:
    least = now - budget.start + costs.begin + costs.step + costs.validation + costs.finish
    return (
        f"a time budget of {format_duration(budget.seconds)} is too short: setting up took "
        f"{now - budget.start:.0f} s, a step takes {costs.step:.1f} s, a validation "
        f"{costs.validation:.0f} s and the report {costs.finish:.0f} s. Give at least "
        f"{format_duration(math.ceil(1.1 * least / AIM))}, validate on fewer images "
        f"(--set training.validation_images=200), or on none (--val-split none)"
    )


def seconds_per_decode(images: Images) -> float:
    """Measure the seconds to read an image in one thread, on average over all."""
    chosen = range(0, len(images), max(len(images) // NUM_TRIED, 1))
    start = time.monotonic()
    for index in chosen:
        images[index]
    return (time.monotonic() - start) / len(chosen)


def seconds_per_step(training: Training, batches: TrainingBatches, budget: float) -> float:
    """Measure the seconds of a step and its data; `training` has to be thrown away afterwards.

    Ends after ten steps, or with fewer after a small part of the `budget` in seconds.
    """
    few = iter(batches.between(0, WARM_UP + MEASURED))
    set_training_mode(training.model, training.recipe.training.frozen_parts)
    begin = time.monotonic()
    for batch in islice(few, WARM_UP):
        training.step(batch, 0.0)
    start = now = synchronised_time(training.device)
    num_steps = 0
    for batch in few:
        training.step(batch, 0.0)
        num_steps += 1
        now = synchronised_time(training.device)
        if now - begin > FOR_MEASURING * budget and num_steps >= LEAST_MEASURED:
            break
    return (now - start) / num_steps


def measure_costs(
    training: Training, validation: DataSet | None, *, begin: float, step: float
) -> Costs:
    """Measure a validation, saving and the report, on one batch of the validation images."""
    saving = _seconds_to_save(training)
    if validation is None:
        return Costs(step, validation=0.0, begin=begin, finish=saving)
    few = validation.subset(range(min(NUM_TRIED, len(validation))), description="")
    validate = validation_on(few, ALONE)
    validate(training.average.model, lambda: None)  # warms up
    start = time.monotonic()
    validate(training.average.model, lambda: None)
    detecting = (time.monotonic() - start) * len(validation) / len(few)
    # The weights are saved before and after a validation, and once more as the best.
    return Costs(
        step,
        validation=detecting + 3 * saving,
        begin=begin,
        finish=detecting + PAGE + PAGE_IMAGE * len(validation),
    )


def _seconds_to_save(training: Training) -> float:
    """Measure the seconds to write weights and state, on the disk of temporary files."""
    with TemporaryDirectory() as folder:
        training.folder = RunFolder(Path(folder))
        start = time.monotonic()
        training.save()
        return time.monotonic() - start


@dataclass
class Pace:
    """Durations of one training, updated as it runs; seconds, moments by the monotonic clock."""

    budget: TimeBudget
    step: float  # with its data: measured again from mark to mark
    validation: float  # measured again at each
    finish: float  # after the last step and its validation
    num_passed: int = 0  # marks
    num_steps: int = 0  # since the last mark
    seconds: float = 0.0  # of these steps

    def add(self, seconds: float, *, validated: bool) -> None:
        """Add the time of a step, or of a step and the validation that came after it."""
        if validated:
            self.validation = max(seconds - self.step, 0.0)
            return
        self.seconds += seconds
        self.num_steps += 1
        if self.num_steps >= FEW:
            self.step = self.seconds / self.num_steps

    def better_end(
        self, progress: TrainingProgress, *, validations_left: int, now: float
    ) -> int | None:
        """Return another number of steps for the whole training, where it would not end in time."""
        passed = sum(progress.part >= mark for mark in MARKS)
        at_mark = passed > self.num_passed
        if progress.all_steps_done or not (at_mark or progress.part >= WATCHED):
            return None
        after_steps = validations_left * self.validation + self.finish
        steps_left = progress.num_steps - progress.step
        early = (self.budget.aim - now - after_steps - steps_left * self.step) / self.budget.seconds
        if at_mark:
            self.num_passed, self.num_steps, self.seconds = passed, 0, 0.0
        elif early > (self.budget.aim - self.budget.end) / self.budget.seconds / 2:
            return None  # within half of what was kept back
        if -BEHIND < early < AHEAD:
            return None
        fitting = max(int((self.budget.aim - now - after_steps) / self.step), 1)
        return progress.step + fitting if fitting != steps_left else None


def paced_batches(training: Training, pace: Pace, batches: TrainingBatches) -> Iterator[Batch]:
    """Yield the batches of a training, as many as fit its time."""
    # More steps than all that are in preparation already take another iteration.
    while not training.progress.all_steps_done:
        progress, start = training.progress, None
        running = batches.between(progress.step, progress.num_steps)
        for batch in running:
            yield batch
            now = time.monotonic()
            # The first has waited for the processes that prepare images to start.
            if start is not None:
                validated = training.progress.validated == training.progress.step
                pace.add(now - start, validated=validated)
            start = now
            if _replan(training, pace, now):
                running.change_num_steps(training.progress.num_steps)
            if training.progress.all_steps_done:
                break


def _replan(training: Training, pace: Pace, now: float) -> bool:
    """Change the number of steps where needed, with a message; returns whether it was."""
    before = training.progress
    num_steps = pace.better_end(before, validations_left=training.validations_left, now=now)
    if num_steps is None:
        return False
    training.change_num_steps(num_steps)
    training.callback.on_message(
        f"step {before.step}: a step takes {format_duration(pace.step)} now; to end in time the "
        f"training gets {num_steps} steps instead of {before.num_steps}"
    )
    return True
