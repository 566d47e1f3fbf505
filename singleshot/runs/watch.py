"""What a training tells whoever watches: a display, a log, TensorBoard."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

__all__ = ["Audience", "EvaluationRecord", "Plan", "Say", "StepRecord", "Watcher"]

Say = Callable[[str], None]  # to a person, a line or more


@dataclass(frozen=True, slots=True)
class Plan:
    """What is going to happen."""

    num_steps: int
    num_epochs: int
    first_step: int  # steps done before; not 0 when resuming
    validated: int  # of these, the one that was validated last
    batch_size: int


@dataclass(frozen=True, slots=True)
class StepRecord:
    """What one optimizer step was like; counted from 1."""

    step: int
    num_steps: int
    epoch: int
    num_epochs: int
    localization: float
    classification: float
    matched_priors: int  # in the whole batch
    gradient_norm: float  # before it was clipped
    learning_rate: float
    images_per_second: float
    seconds_waiting: float  # for data, of the last step
    seconds_left: float
    distillation: float | None = None  # what a teacher adds to the loss, where there is one


@dataclass(frozen=True, slots=True)
class EvaluationRecord:
    """What a validation found after some step."""

    step: int
    epoch: int
    mean_average_precision: float  # COCO's, over IoU 0.5 to 0.95
    since_best: int  # validations, one after the other, that found nothing better; 0: the best
    ends_early: bool  # patience is at its end: no further step is taken


@runtime_checkable
class Watcher(Protocol):
    """Told of everything as it happens."""

    def started(self, plan: Plan) -> None:
        """The training begins, or goes on."""

    def stepped(self, step: StepRecord) -> None:
        """A step is done."""

    def evaluated(self, record: EvaluationRecord) -> None:
        """A validation is done."""

    def said(self, message: str) -> None:
        """Something a person should know."""

    def finished(self) -> None:
        """The training ended, or was stopped."""


@dataclass(frozen=True)
class Audience:
    """Many watchers as one."""

    watchers: Sequence[Watcher]

    def started(self, plan: Plan) -> None:
        """Pass it on."""
        for watcher in self.watchers:
            watcher.started(plan)

    def stepped(self, step: StepRecord) -> None:
        """Pass it on."""
        for watcher in self.watchers:
            watcher.stepped(step)

    def evaluated(self, record: EvaluationRecord) -> None:
        """Pass it on."""
        for watcher in self.watchers:
            watcher.evaluated(record)

    def said(self, message: str) -> None:
        """Pass it on."""
        for watcher in self.watchers:
            watcher.said(message)

    def finished(self) -> None:
        """Pass it on."""
        for watcher in self.watchers:
            watcher.finished()
