"""What the steps of a training were like, told to whoever watches."""

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
from singleshot.training.epochs import Epochs
from singleshot.training.processes import ALONE, Processes

__all__ = ["Taken", "Tally", "timed"]

# Looking at a loss on a GPU makes the host wait for it, so there losses are looked at in groups.
STEPS_BETWEEN_LOOKS = 20


@dataclass(frozen=True, slots=True)
class Taken:
    """A step that was taken; its losses and gradient may still be on their way from a GPU."""

    step: int  # counted from 1
    names: tuple[str, ...]  # of the images
    losses: Losses  # of the whole batch
    gradient_norm: Tensor
    learning_rate: float
    seconds_waiting: float

    def numbers(self) -> Tensor:
        """What has to be read from the device."""
        return torch.stack([*self.losses.terms.values(), self.gradient_norm])


@dataclass
class Tally:
    """Takes note of each step, and looks at the notes now and then."""

    callback: Callback
    epochs: Epochs
    num_steps: int
    steps_between_looks: int
    processes: Processes = ALONE
    unseen: list[Taken] = field(default_factory=list)
    num_seen: int = 0
    start: float = 0.0
    last_look: float = 0.0

    @classmethod
    def on(
        cls, device: torch.device, callback: Callback, epochs: Epochs, num_steps: int
    ) -> "Tally":
        """On a processor there is nothing to wait for."""
        every = 1 if device.type == "cpu" else STEPS_BETWEEN_LOOKS
        return cls(callback, epochs, num_steps, every)

    def begin(self) -> None:
        """Time runs from here."""
        self.start = self.last_look = time.monotonic()

    def forget_the_time(self) -> None:
        """What was done since the last look, as saving or validating, is no part of a step."""
        self.last_look = time.monotonic()

    def add(self, taken: Taken) -> None:
        """Note a step; raises NonFiniteLoss as `look` does."""
        self.unseen.append(taken)
        if len(self.unseen) >= self.steps_between_looks:
            self.look()

    def look(self) -> None:
        """Tell of the steps since the last look; NonFiniteLoss when a number is not finite."""
        if not self.unseen:
            return
        numbers = torch.stack([taken.numbers() for taken in self.unseen]).tolist()
        now = time.monotonic()
        seconds_per_step = (now - self.last_look) / len(self.unseen)
        self.num_seen += len(self.unseen)
        # With all that happens between steps, validation and saving too.
        seconds_so_far = (now - self.start) / self.num_seen
        seconds_left = seconds_so_far * (self.num_steps - self.unseen[-1].step)
        for taken, values in zip(self.unseen, numbers, strict=True):
            *terms, gradient_norm = values
            losses = dict(zip(taken.losses.sums, terms, strict=True))
            self.require_finite(taken, losses, gradient_norm)
            self.callback.on_step(
                StepRecord(
                    step=taken.step,
                    num_steps=self.num_steps,
                    epoch=self.epochs.of(taken.step),
                    num_epochs=self.epochs.of(self.num_steps),
                    losses=losses,
                    num_matches=taken.losses.num_matches,
                    gradient_norm=gradient_norm,
                    learning_rate=taken.learning_rate,
                    images_per_second=self.epochs.batch_size / seconds_per_step,
                    seconds_waiting=taken.seconds_waiting,
                    seconds_left=seconds_left,
                )
            )
        self.unseen.clear()
        self.last_look = now

    def require_finite(
        self, taken: Taken, losses: Mapping[str, float], gradient_norm: float
    ) -> None:
        """Nothing that was learned from a bad batch may reach a checkpoint."""
        if all(map(math.isfinite, (*losses.values(), gradient_norm))):
            return
        terms = ", ".join(f"{name} {value}" for name, value in losses.items())
        names = [name for share in self.processes.gather(taken.names) for name in share]
        raise NonFiniteLoss(
            f"step {taken.step}: the loss is not finite ({terms}, norm of the gradient "
            f"{gradient_norm}) with {', '.join(names)}. Look at these images' boxes, or lower "
            f"training.learning_rate in a new run; what was saved before is good, and --resume "
            f"goes on from there"
        )


def timed(batches: Iterable[Batch]) -> Iterator[tuple[Batch, float]]:
    """Each batch with the seconds that were spent waiting for it."""
    start = time.monotonic()
    for batch in batches:
        yield batch, time.monotonic() - start
        start = time.monotonic()
