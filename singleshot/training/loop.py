"""The training, told from top to bottom."""

import math
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field, replace

import torch
from torch import nn
from torch.optim import Optimizer

from singleshot.errors import DataError, RunFailed
from singleshot.models.checkpoint import Checkpoint
from singleshot.models.ssd.network import Ssd
from singleshot.recipes.schema import Recipe
from singleshot.structures import Batch, Losses
from singleshot.training.frozen import train_what_learns
from singleshot.training.interrupt import Wish
from singleshot.training.optimizers import rate_at, set_learning_rate
from singleshot.training.precision import Precision, autocast
from singleshot.training.run_folder import RunFolder
from singleshot.training.state import Progress, save_state
from singleshot.training.watch import EvaluationRecord, Plan, StepRecord, Watcher
from singleshot.training.weight_average import WeightAverage

__all__ = ["Training"]

# Looking at a loss on a GPU makes the host wait for it, so there losses are looked at in groups.
STEPS_BETWEEN_LOOKS = 20
SECONDS_BETWEEN_SAVES = 300.0


@dataclass(frozen=True, slots=True)
class Unseen:
    """A step whose losses were not looked at yet."""

    step: int
    names: tuple[str, ...]
    losses: Losses
    learning_rate: float
    seconds_waiting: float


@dataclass
class Training:
    """The parts of one training, and how far it is."""

    model: Ssd
    optimizer: Optimizer
    average: WeightAverage
    recipe: Recipe
    num_pictures: int
    progress: Progress
    folder: RunFolder
    watch: Watcher
    device: torch.device
    precision: Precision
    evaluate: Callable[[nn.Module], float] | None  # gives the mean average precision
    unseen: list[Unseen] = field(default_factory=list)
    start: float = 0.0
    first_step: int = 0
    last_look: float = 0.0
    last_save: float = 0.0

    def run(self, batches: Iterable[Batch], wish: Wish) -> Progress:
        """Take all steps, or those until someone wishes to stop; what was learned is saved."""
        self.watch.started(self.plan)
        train_what_learns(self.model, self.recipe.training.frozen)
        try:
            # At once, so that a full disk is found now and not after an hour.
            self.save_state()
            self.start = self.last_look = self.last_save = time.monotonic()
            self.first_step = self.progress.step
            for batch, seconds_waiting in timed(batches):
                self.step(batch, seconds_waiting)
                if self.validation_is_due:
                    self.validate()
                if time.monotonic() - self.last_save > SECONDS_BETWEEN_SAVES:
                    self.save()
                if wish.stop:
                    break
            self.save()
        except DataError:
            # A picture that cannot be read takes nothing away from what was learned.
            self.save()
            raise
        finally:
            self.watch.finished()
        return self.progress

    def step(self, batch: Batch, seconds_waiting: float) -> None:
        """Learn from one batch."""
        done, settings = self.progress.step, self.recipe.training
        factor = rate_at(done, self.progress.num_steps, settings.schedule)
        set_learning_rate(self.optimizer, factor)
        with autocast(self.device, self.precision):
            losses = self.model.losses(batch.to(self.device))
        self.optimizer.zero_grad(set_to_none=True)
        losses.total.backward()  # type: ignore[no-untyped-call]
        if settings.clip_gradient:
            nn.utils.clip_grad_norm_(self.model.parameters(), settings.clip_gradient)
        self.optimizer.step()
        self.average.update(done + 1)
        self.progress = replace(self.progress, step=done + 1)

        learning_rate = factor * settings.learning_rate
        detached = Losses(*(term.detach() for term in losses))
        self.unseen.append(Unseen(done + 1, batch.names, detached, learning_rate, seconds_waiting))
        if len(self.unseen) >= (1 if self.device.type == "cpu" else STEPS_BETWEEN_LOOKS):
            self.look()

    def look(self) -> None:
        """Read the losses since the last look; raises RunFailed when one is not finite."""
        if not self.unseen:
            return
        losses = torch.stack([torch.stack(unseen.losses) for unseen in self.unseen]).tolist()
        now = time.monotonic()
        seconds_per_step = (now - self.last_look) / len(self.unseen)
        seconds_left = self.seconds_per_step_so_far(now) * (
            self.plan.num_steps - self.progress.step
        )
        for unseen, (localization, classification) in zip(self.unseen, losses, strict=True):
            self.require_finite(unseen, localization, classification)
            self.watch.stepped(
                StepRecord(
                    step=unseen.step,
                    num_steps=self.plan.num_steps,
                    epoch=self.epoch_of(unseen.step),
                    num_epochs=self.plan.num_epochs,
                    localization=localization,
                    classification=classification,
                    learning_rate=unseen.learning_rate,
                    images_per_second=len(unseen.names) / seconds_per_step,
                    seconds_waiting=unseen.seconds_waiting,
                    seconds_left=seconds_left,
                )
            )
        self.unseen.clear()
        self.last_look = now

    def seconds_per_step_so_far(self, now: float) -> float:
        """With all that happens between steps, validation and saving too."""
        return (now - self.start) / max(self.progress.step - self.first_step, 1)

    def require_finite(self, unseen: Unseen, localization: float, classification: float) -> None:
        """Nothing that was learned from a bad batch may reach a checkpoint."""
        if math.isfinite(localization) and math.isfinite(classification):
            return
        raise RunFailed(
            f"step {unseen.step}: the loss is not finite (localization {localization}, "
            f"classification {classification}) with {', '.join(unseen.names)}. Look at these "
            f"pictures' boxes, or lower training.learning_rate; what was saved before is good"
        )

    def validate(self) -> None:
        """Judge the averaged weights; the best so far are kept."""
        assert self.evaluate is not None
        self.save()
        found = self.evaluate(self.average.model)
        self.watch.evaluated(EvaluationRecord(self.progress.step, self.epoch, found))
        if self.progress.best is None or found > self.progress.best:
            self.progress = replace(self.progress, best=found)
            self.checkpoint().save(self.folder.best)
        self.save()

    def save(self) -> None:
        """The newest weights, and all that going on needs."""
        self.look()  # nothing learned from a loss that was not finite may be kept
        self.checkpoint().save(self.folder.last)
        self.save_state()
        # Saving and validating are no part of a step.
        self.last_look = self.last_save = time.monotonic()

    def save_state(self) -> None:
        """What going on needs, and nothing else does."""
        save_state(self.folder.state, self.progress, self.model, self.average, self.optimizer)

    def checkpoint(self) -> Checkpoint:
        """The averaged weights as a detector."""
        return Checkpoint(
            weights=self.average.model.state_dict(),
            recipe=self.recipe,
            class_names=self.model.class_names,
            metrics=asdict(self.progress),
        )

    @property
    def plan(self) -> Plan:
        """What is going to happen."""
        num_steps = self.progress.num_steps
        return Plan(
            num_steps=num_steps,
            num_epochs=self.epoch_of(num_steps),
            first_step=self.progress.step,
            batch_size=self.recipe.training.batch_size,
        )

    @property
    def epoch(self) -> int:
        """The epoch of the last step, counted from 1."""
        return self.epoch_of(self.progress.step)

    def epoch_of(self, step: int) -> int:
        """The epoch that a step, counted from 1, belongs to by its first picture."""
        return 1 + (step - 1) * self.recipe.training.batch_size // self.num_pictures

    @property
    def validation_is_due(self) -> bool:
        """At the end of every so many epochs, and after the last step."""
        if self.evaluate is None:
            return False
        # Small data sets have several epochs in one step, so periods are compared.
        every = self.recipe.training.validate_every
        next_epoch = self.epoch_of(self.progress.step + 1)
        return self.progress.finished or (next_epoch - 1) // every > (self.epoch - 1) // every


def timed(batches: Iterable[Batch]) -> Iterator[tuple[Batch, float]]:
    """Each batch with the seconds that were spent waiting for it."""
    start = time.monotonic()
    for batch in batches:
        yield batch, time.monotonic() - start
        start = time.monotonic()
