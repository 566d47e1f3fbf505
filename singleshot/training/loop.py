"""The training, told from top to bottom."""

import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field, replace

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from singleshot.errors import DataError
from singleshot.models.checkpoint import Checkpoint
from singleshot.models.ssd.network import Ssd
from singleshot.models.teacher import Teacher
from singleshot.recipes.schema import Recipe
from singleshot.structures import Batch, Losses
from singleshot.training.epochs import Epochs
from singleshot.training.frozen import train_what_learns
from singleshot.training.interrupt import Wish
from singleshot.training.optimizers import rate_at, set_learning_rate
from singleshot.training.precision import Precision, autocast
from singleshot.training.run_folder import RunFolder
from singleshot.training.state import Progress, save_state
from singleshot.training.tally import Taken, Tally, timed
from singleshot.training.watch import EvaluationRecord, Plan, Watcher
from singleshot.training.weight_average import WeightAverage

__all__ = ["Training"]

SECONDS_BETWEEN_SAVES = 300.0


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
    teacher: Teacher | None
    epochs: Epochs = field(init=False)
    tally: Tally = field(init=False)
    last_save: float = field(init=False, default=0.0)

    def __post_init__(self) -> None:
        self.epochs = Epochs(self.num_pictures, self.recipe.training.batch_size)
        self.tally = Tally.on(self.device, self.watch, self.epochs, self.progress.num_steps)
        # The parameters that learn; going through the modules for them takes long.
        self.learning = [p for p in self.model.parameters() if p.requires_grad]

    def run(self, batches: Iterable[Batch], wish: Wish) -> Progress:
        """Take all steps, or those until someone wishes to stop; what was learned is saved."""
        self.watch.started(self.plan)
        train_what_learns(self.model, self.recipe.training.frozen)
        try:
            # At once, so that a full disk is found now and not after an hour.
            self.save_state()
            self.last_save = time.monotonic()
            self.tally.begin()
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
        learning_rate = self.set_learning_rate()
        losses = self.find_gradients(batch)
        gradient_norm = self.clip_gradients()
        self.optimizer.step()
        step = self.progress.step + 1
        self.average.update(step)
        self.progress = replace(self.progress, step=step)
        self.tally.add(
            Taken(step, batch.names, losses, gradient_norm, learning_rate, seconds_waiting)
        )

    def set_learning_rate(self) -> float:
        """That of the step to come; gives the recipe's own, times what the schedule says."""
        settings = self.recipe.training
        factor = rate_at(self.progress.step, self.progress.num_steps, settings.schedule)
        set_learning_rate(self.optimizer, factor)
        return factor * settings.learning_rate

    def find_gradients(self, batch: Batch) -> Losses:
        """Leave the gradient of a batch in the parameters."""
        with autocast(self.device, self.precision):
            batch = batch.to(self.device)
            lesson = None if self.teacher is None else self.teacher.lesson(batch)
            losses = self.model.losses(batch, lesson)
        self.optimizer.zero_grad(set_to_none=True)
        losses.total.backward()  # type: ignore[no-untyped-call]
        return losses._replace(
            localization=losses.localization.detach(),
            classification=losses.classification.detach(),
            distillation=None if losses.distillation is None else losses.distillation.detach(),
        )

    def clip_gradients(self) -> Tensor:
        """Shorten the gradient to what the recipe allows; gives the norm that it had."""
        gradients = [p.grad for p in self.learning if p.grad is not None]
        norm = nn.utils.get_total_norm(gradients)
        if limit := self.recipe.training.clip_gradient:
            nn.utils.clip_grads_with_norm_(self.learning, limit, norm)
        return norm

    def validate(self) -> None:
        """Judge the averaged weights; the best so far are kept."""
        assert self.evaluate is not None
        self.save()
        found = self.evaluate(self.average.model)
        step = self.progress.step
        self.watch.evaluated(EvaluationRecord(step, self.epochs.of(step), found))
        if self.progress.best is None or found > self.progress.best:
            self.progress = replace(self.progress, best=found)
            self.checkpoint().save(self.folder.best)
        self.save()

    def save(self) -> None:
        """The newest weights, and all that going on needs."""
        self.tally.look()  # nothing learned from a loss that was not finite may be kept
        self.checkpoint().save(self.folder.last)
        self.save_state()
        self.tally.forget_the_time()
        self.last_save = time.monotonic()

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
            num_epochs=self.epochs.of(num_steps),
            first_step=self.progress.step,
            batch_size=self.recipe.training.batch_size,
        )

    @property
    def validation_is_due(self) -> bool:
        """At the end of every so many epochs, and after the last step."""
        if self.evaluate is None:
            return False
        every = self.recipe.training.validate_every
        return self.progress.finished or self.epochs.ends_period(self.progress.step, every)
