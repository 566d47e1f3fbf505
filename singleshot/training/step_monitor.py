"""Turn the steps of a training into records for its callbacks, and stop at a non-finite loss."""

import math
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from singleshot.detectors.detector import Losses
from singleshot.errors import NonFiniteLoss
from singleshot.runs.callbacks import Callback, StepRecord
from singleshot.structures import Batch
from singleshot.training.divergence import DivergenceCheck
from singleshot.training.processes import ALONE, Processes

__all__ = ["Epochs", "FinishedStep", "StepMonitor", "timed_batches"]

# Reading a loss from a GPU makes the host wait for it, so there losses are read in groups.
STEPS_PER_GROUP = 20


@dataclass(frozen=True, slots=True)
class Epochs:
    """Steps as passes over the data: a step may be part of an epoch or several epochs."""

    num_images: int
    batch_size: int

    def of(self, step: int) -> int:
        """Return the epoch of a step's first image; both count from 1. 0 before the first step."""
        return max(1 + (step - 1) * self.batch_size // self.num_images, 0)

    def ends_period(self, step: int, every: int) -> bool:
        """Return whether the next step is in another period of `every` epochs."""
        return (self.of(step + 1) - 1) // every > (self.of(step) - 1) // every

    def periods_ended(self, step: int, until: int, every: int) -> int:
        """Count the steps from `step` to before `until` that end a period of `every` epochs."""
        periods = (self.of(until) - 1) // every - (self.of(step) - 1) // every
        return min(periods, until - step)


@dataclass(frozen=True, slots=True)
class FinishedStep:
    """An optimizer step whose losses and gradient may still be computed by a GPU."""

    step: int  # counted from 1
    names: tuple[str, ...]  # of the images
    losses: Losses  # of the whole batch
    gradient_norm: Tensor
    learning_rate: float
    seconds_waiting: float

    def values(self) -> Tensor:
        """Stack the loss terms and the norm of the gradient."""
        return torch.stack([*self.losses.terms.values(), self.gradient_norm])


@dataclass
class StepMonitor:
    """Collects finished steps and calls back with their records, on a GPU in groups."""

    callback: Callback
    epochs: Epochs
    num_steps: int
    steps_per_group: int
    processes: Processes = ALONE
    pending: list[FinishedStep] = field(default_factory=list)
    num_recorded: int = 0
    start: float = 0.0
    last_record: float = 0.0
    divergence: DivergenceCheck | None = None  # of a start from a detector

    @classmethod
    def on_device(
        cls,
        device: torch.device,
        callback: Callback,
        epochs: Epochs,
        num_steps: int,
        processes: Processes,
    ) -> "StepMonitor":
        """Make a monitor that records each step on a CPU, where there is nothing to wait for."""
        group = 1 if device.type == "cpu" else STEPS_PER_GROUP
        return cls(callback, epochs, num_steps, group, processes)

    def start_clock(self) -> None:
        """Start the clock before the first step."""
        self.start = self.last_record = time.monotonic()

    def skip_time(self) -> None:
        """Leave the time since the last record, as for saving or validating, out of the steps'."""
        self.last_record = time.monotonic()

    def add(self, finished: FinishedStep) -> None:
        """Collect a step; raises NonFiniteLoss as `record` does."""
        self.pending.append(finished)
        if len(self.pending) >= self.steps_per_group:
            self.record()

    def record(self) -> None:
        """Call back with the pending steps; NonFiniteLoss when a number is not finite."""
        if not self.pending:
            return
        values = torch.stack([finished.values() for finished in self.pending]).tolist()
        now = time.monotonic()
        seconds_per_step = (now - self.last_record) / len(self.pending)
        self.num_recorded += len(self.pending)
        # With all that happens between steps, validation and saving too.
        seconds_so_far = (now - self.start) / self.num_recorded
        seconds_left = seconds_so_far * (self.num_steps - self.pending[-1].step)
        for finished, (*terms, gradient_norm) in zip(self.pending, values, strict=True):
            losses = dict(zip(finished.losses.sums, terms, strict=True))
            self.require_finite(finished, losses, gradient_norm)
            self.callback.on_step(
                StepRecord(
                    step=finished.step,
                    num_steps=self.num_steps,
                    epoch=self.epochs.of(finished.step),
                    num_epochs=self.epochs.of(self.num_steps),
                    losses=losses,
                    num_matches=finished.losses.num_matches,
                    gradient_norm=gradient_norm,
                    learning_rate=finished.learning_rate,
                    images_per_second=self.epochs.batch_size / seconds_per_step,
                    seconds_waiting=finished.seconds_waiting,
                    seconds_left=seconds_left,
                )
            )
            if self.divergence is not None:
                self.divergence.check_loss(finished.step, sum(losses.values()))
        self.pending.clear()
        self.last_record = now

    def require_finite(
        self, finished: FinishedStep, losses: Mapping[str, float], gradient_norm: float
    ) -> None:
        """Raise NonFiniteLoss, naming the images, before weights with a NaN are saved."""
        if all(map(math.isfinite, (*losses.values(), gradient_norm))):
            return
        terms = ", ".join(f"{name} {value}" for name, value in losses.items())
        names = [name for share in self.processes.all_gather(finished.names) for name in share]
        raise NonFiniteLoss(
            f"step {finished.step}: the loss is not finite ({terms}, norm of the gradient "
            f"{gradient_norm}) with {', '.join(names)}. Look at these images' boxes, or lower "
            f"training.learning_rate in a new run; what was saved before is good, and --resume "
            f"continues from there"
        )


def timed_batches(batches: Iterable[Batch]) -> Iterator[tuple[Batch, float]]:
    """Yield each batch with the seconds that were spent waiting for it."""
    start = time.monotonic()
    for batch in batches:
        yield batch, time.monotonic() - start
        start = time.monotonic()
