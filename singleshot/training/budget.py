"""How many steps and validations fit into a given time."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from datetime import timedelta

from singleshot.errors import SingleshotError
from singleshot.recipes.schema import Recipe

__all__ = ["Allotment", "Costs", "TimeBudget", "allot", "in_words"]

AIM = 0.95  # of the budget: machines slow down, and a program takes time to leave
FOR_VALIDATION = 0.1  # of the budget


@dataclass(frozen=True)
class TimeBudget:
    """A wall time, and when it began by the monotonic clock; all in seconds."""

    seconds: float
    start: float

    @classmethod
    def of(cls, seconds: float | TimeBudget | None) -> TimeBudget | None:
        """From now on, unless it says when it began."""
        if seconds is None or isinstance(seconds, TimeBudget):
            return seconds
        return cls(seconds, time.monotonic())

    @property
    def aim(self) -> float:
        """The moment by which everything should be done."""
        return self.start + AIM * self.seconds

    @property
    def end(self) -> float:
        """The moment after which the budget is exceeded."""
        return self.start + self.seconds

    def account(self, now: float) -> str:
        """What was planned and what it took, for a person to read."""
        took = now - self.start
        over = f", {in_words(took - self.seconds)} over the budget" if now > self.end else ""
        return (
            f"planned to take {in_words(AIM * self.seconds)} of a time budget of "
            f"{in_words(self.seconds)}, took {in_words(took)}{over}"
        )


@dataclass(frozen=True)
class Costs:
    """What a training takes, in seconds, as measured."""

    step: float  # with its data
    validation: float  # with the saving around it; 0 without a validation
    begin: float  # from the plan to the first step
    finish: float  # after the last validation: the report


@dataclass(frozen=True)
class Allotment:
    """What fits."""

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
    steps_an_epoch = num_images / settings.batch_size
    available = budget.aim - now - costs.begin - costs.finish
    most = int(FOR_VALIDATION * budget.seconds / costs.validation) if costs.validation else 1
    num_validations = max(most, 1)
    while True:
        num_steps = int((available - num_validations * costs.validation) / costs.step)
        if num_steps < 1:
            raise SingleshotError(too_short(budget, now, costs))
        num_epochs = num_steps / steps_an_epoch
        every = max(settings.validate_every, math.ceil(num_epochs / num_validations))
        needed = math.ceil(num_epochs / every)
        if needed >= num_validations:
            return Allotment(num_steps, every, num_validations)
        # Fewer than there may be: what they do not take becomes steps.
        num_validations = needed


def too_short(budget: TimeBudget, now: float, costs: Costs) -> str:
    least = now - budget.start + costs.begin + costs.step + costs.validation + costs.finish
    return (
        f"a time budget of {in_words(budget.seconds)} is too short: setting up took "
        f"{now - budget.start:.0f} s, a step takes {costs.step:.1f} s, a validation "
        f"{costs.validation:.0f} s and the report {costs.finish:.0f} s. Give at least "
        f"{in_words(math.ceil(1.1 * least / AIM))}, or leave validation out with --val-split none"
    )


def in_words(seconds: float) -> str:
    """A time as a person reads it, 1:02:03, or 4.2 s where that is short."""
    return f"{seconds:.1f} s" if seconds < 60 else str(timedelta(seconds=round(seconds)))
