"""Callbacks of a training: a display, the log, TensorBoard, MLflow, early pruning."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

__all__ = [
    "Callback",
    "CallbackList",
    "EvaluationRecord",
    "OnMessage",
    "StartRecord",
    "StepRecord",
]

OnMessage = Callable[[str], None]  # called with a line or more for the user


@dataclass(frozen=True, slots=True)
class StartRecord:
    """Length of a training that starts or resumes."""

    num_steps: int
    num_epochs: int
    first_step: int  # steps done before: 0, unless a training is resumed
    validated: int  # of these, the one that was validated last
    batch_size: int


@dataclass(frozen=True, slots=True)
class StepRecord:
    """Losses, rates and times of one optimizer step; steps count from 1."""

    step: int
    num_steps: int
    epoch: int
    num_epochs: int
    losses: Mapping[str, float]  # the terms by name, of the whole batch
    num_matches: int  # priors, anchors, regions or cells trained on an object
    gradient_norm: float  # before it was clipped
    learning_rate: float
    images_per_second: float
    seconds_waiting: float  # for data, of the last step
    seconds_left: float


@dataclass(frozen=True, slots=True)
class EvaluationRecord:
    """Result of the validation after some step."""

    step: int
    epoch: int
    mean_average_precision: float  # COCO's, over IoU 0.5 to 0.95
    AP50: float  # at IoU 0.5
    per_class: Mapping[str, float | None]  # COCO's AP of each class; None without objects
    since_best: int  # consecutive validations without a new best; 0: this is the best
    ends_early: bool  # training.patience is exhausted: no further step is taken


@runtime_checkable
class Callback(Protocol):
    """Methods that a training calls as it proceeds."""

    def on_start(self, start: StartRecord) -> None:
        """Handle the start of a training, or its resumption."""

    def on_step(self, step: StepRecord) -> None:
        """Handle a finished optimizer step."""

    def on_evaluation(self, record: EvaluationRecord) -> None:
        """Handle a finished validation."""

    def on_message(self, message: str) -> None:
        """Handle a message for the user."""

    def on_finish(self) -> None:
        """Handle the end of a training, also after an interruption or an error."""


@dataclass(frozen=True)
class CallbackList:
    """Several callbacks, called in order as one."""

    callbacks: Sequence[Callback]

    def on_start(self, start: StartRecord) -> None:
        """Call `on_start` of each callback."""
        for callback in self.callbacks:
            callback.on_start(start)

    def on_step(self, step: StepRecord) -> None:
        """Call `on_step` of each callback."""
        for callback in self.callbacks:
            callback.on_step(step)

    def on_evaluation(self, record: EvaluationRecord) -> None:
        """Call `on_evaluation` of each callback."""
        for callback in self.callbacks:
            callback.on_evaluation(record)

    def on_message(self, message: str) -> None:
        """Call `on_message` of each callback."""
        for callback in self.callbacks:
            callback.on_message(message)

    def on_finish(self) -> None:
        """Call `on_finish` of each callback."""
        for callback in self.callbacks:
            callback.on_finish()
