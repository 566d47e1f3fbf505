"""The training, told from top to bottom."""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from singleshot.checkpoints.checkpoint import Checkpoint
from singleshot.detectors.detector import Losses, Objective, TrainableDetector
from singleshot.errors import SingleshotError
from singleshot.files import flush_to_disk, remove_partial_files
from singleshot.recipes.schema import Recipe
from singleshot.runs.callbacks import Callback, EvaluationRecord, StartRecord
from singleshot.runs.folder import RunFolder
from singleshot.runs.progress import Progress
from singleshot.structures import Batch
from singleshot.training.epochs import Epochs
from singleshot.training.frozen import set_training_mode
from singleshot.training.gradients import Gradients
from singleshot.training.interrupt import Interrupt, ValidationAborted
from singleshot.training.optimizers import rate_at, set_learning_rate
from singleshot.training.precautions import explaining_failures
from singleshot.training.precision import Precision
from singleshot.training.processes import Processes, together
from singleshot.training.state import save_state
from singleshot.training.tally import Taken, Tally, timed
from singleshot.training.weight_average import WeightAverage

__all__ = ["Evaluate", "Training"]

SECONDS_BETWEEN_SAVES = 300.0

# Gives the mean average precision of a detector, and calls a function between two batches: it may
# raise ValidationAborted.
Evaluate = Callable[[nn.Module, Callable[[], None]], float]


@dataclass
class Training:
    """The parts of one training, and how far it is."""

    model: TrainableDetector
    objective: Objective  # the model, or the model beside a teacher
    optimizer: Optimizer
    average: WeightAverage
    recipe: Recipe
    num_images: int
    progress: Progress
    folder: RunFolder
    callback: Callback
    device: torch.device
    precision: Precision
    evaluate: Evaluate | None
    processes: Processes
    gradients: Gradients = field(init=False)
    epochs: Epochs = field(init=False)
    tally: Tally = field(init=False)
    last_save: float = field(init=False, default=0.0)

    def __post_init__(self) -> None:
        self.epochs = Epochs(self.num_images, self.recipe.training.batch_size)
        self.tally = Tally.on(self.device, self.callback, self.epochs, self.progress.num_steps)
        self.tally.processes = self.processes
        self.gradients = Gradients(
            self.objective,
            self.processes,
            self.device,
            self.precision,
            num_parts=self.recipe.training.accumulate,
        )
        # The parameters that learn; going through the modules for them takes long.
        self.learning = [p for p in self.model.parameters() if p.requires_grad]

    def run(self, batches: Iterable[Batch], interrupt: Interrupt) -> Progress:
        """Take all steps, or those until an interrupt, and save the weights and the state."""
        if self.processes.first:
            remove_partial_files(self.folder.path)
        self.callback.on_start(self.start_record)
        set_training_mode(self.model, self.recipe.training.frozen)
        try:
            # At once, so that a full disk is found now and not after an hour.
            self.save_state()
            self.last_save = time.monotonic()
            self.tally.begin()
            with explaining_failures(self.recipe.training):
                self.take_steps(batches, interrupt)
        finally:
            self.callback.on_finish()
        return self.progress

    def take_steps(self, batches: Iterable[Batch], interrupt: Interrupt) -> None:
        """Step, validate and save until all is done or an interrupt is requested."""
        # The last process may have been stopped between a step and its validation.
        self.validate_when_due(interrupt)
        (stop,) = self.processes.any(interrupt.stop)
        if not (stop or self.over):
            for batch, seconds_waiting in self.drawn(together(batches, self.processes)):
                self.step(batch, seconds_waiting)
                self.validate_when_due(interrupt)
                stop, save = self.processes.any(interrupt.stop, self.save_is_due)
                if save:
                    self.save()
                if stop or self.over:
                    break
        self.progress = replace(self.progress, finished=self.over)
        self.save()

    def drawn(self, batches: Iterable[Batch]) -> Iterator[tuple[Batch, float]]:
        """Each batch with the seconds spent waiting; when there is none, what was learned is kept.

        Between two steps everything is as the next step needs it, and so may be saved.
        """
        try:
            yield from timed(batches)
        except SingleshotError:
            self.save()
            raise

    def step(self, batch: Batch, seconds_waiting: float) -> None:
        """Learn from one batch."""
        learning_rate = self.set_learning_rate()
        self.model.enter(self.progress.part)
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
        factor = rate_at(self.progress.schedule_step, self.progress.num_steps, settings.schedule)
        set_learning_rate(self.optimizer, factor)
        return factor * settings.learning_rate

    def find_gradients(self, batch: Batch) -> Losses:
        """Leave the gradient of a batch in the parameters; `batch` is this process' share."""
        self.optimizer.zero_grad(set_to_none=True)
        return self.gradients.add(batch)

    def clip_gradients(self) -> Tensor:
        """Shorten the gradient to what the recipe allows; gives the norm that it had."""
        gradients = [p.grad for p in self.learning if p.grad is not None]
        norm = nn.utils.get_total_norm(gradients)
        if limit := self.recipe.training.clip_gradient:
            nn.utils.clip_grads_with_norm_(self.learning, limit, norm)
        return norm

    def validate_when_due(self, interrupt: Interrupt) -> None:
        """Validate the averaged weights, unless an interrupt is requested meanwhile."""
        if self.evaluate is None or not self.validation_is_due:
            return
        self.save()
        try:
            if self.processes.several:
                # All abort after the same batch: others would wait in vain for a process that left.
                found = self.evaluate(self.average.model, lambda: self.abort_together(interrupt))
            else:
                with interrupt.aborting():
                    found = self.evaluate(self.average.model, lambda: None)
        except ValidationAborted:
            return  # it is still due when the training goes on
        self.take_in(found)

    def abort_together(self, interrupt: Interrupt) -> None:
        """Raise ValidationAborted in all processes when one has a request to stop."""
        (stop,) = self.processes.any(interrupt.stop)
        if stop:
            raise ValidationAborted

    def take_in(self, found: float) -> None:
        """What a validation found; the best weights so far are kept."""
        step, is_best = self.progress.step, self.progress.best is None or found > self.progress.best
        since_best = 0 if is_best else self.progress.since_best + 1
        best = found if is_best else self.progress.best
        self.progress = replace(self.progress, best=best, since_best=since_best, validated=step)
        ends = self.patience_is_over and not self.progress.all_steps_done
        # Before anyone is told, who may end the training; the state comes last, after the log.
        if is_best:
            self.save_weights(self.folder.best)
        self.callback.on_evaluation(
            EvaluationRecord(step, self.epochs.of(step), found, since_best, ends_early=ends)
        )
        if ends:
            self.callback.on_message(
                f"Ends early: no better validation in the last {since_best} (training.patience)"
            )
        self.save()

    def save(self) -> None:
        """The newest weights, and all that going on needs."""
        self.tally.look()  # nothing learned from a loss that was not finite may be kept
        self.save_weights(self.folder.last)
        self.save_state()
        self.tally.forget_the_time()
        self.last_save = time.monotonic()

    def save_state(self) -> None:
        """What going on needs, and nothing else does."""
        if self.processes.first and self.folder.log.exists():
            # First the log: it must hold the steps that the state says are done.
            flush_to_disk(self.folder.log)
        save_state(
            self.folder.state,
            self.progress,
            self.model,
            self.average,
            self.optimizer,
            self.processes,
        )

    def save_weights(self, path: Path) -> None:
        """The averaged weights, whole or not at all, by one process for all."""
        if self.processes.first:
            self.checkpoint().save(path)

    def checkpoint(self) -> Checkpoint:
        """The averaged weights as a detector."""
        return Checkpoint(
            weights=self.average.model.state_dict(),
            recipe=self.recipe,
            class_names=self.model.class_names,
            metrics=asdict(self.progress),
        )

    @property
    def save_is_due(self) -> bool:
        """By the clock of the first process: those of others may differ."""
        waited = time.monotonic() - self.last_save
        return self.processes.first and waited > SECONDS_BETWEEN_SAVES

    @property
    def start_record(self) -> StartRecord:
        """Length of the training, and the steps done before."""
        num_steps = self.progress.num_steps
        return StartRecord(
            num_steps=num_steps,
            num_epochs=self.epochs.of(num_steps),
            first_step=self.progress.step,
            validated=self.progress.validated,
            batch_size=self.recipe.training.batch_size,
        )

    def change_num_steps(self, num_steps: int) -> None:
        """End earlier or later than planned; batches have to be drawn anew from here."""
        self.progress = self.progress.refitted(num_steps)
        self.tally.num_steps = num_steps

    @property
    def validations_left(self) -> int:
        """How many are still to come."""
        if self.evaluate is None or self.progress.all_steps_done:
            return 0
        every = self.recipe.training.validate_every
        step, last = self.progress.step, self.progress.num_steps
        return 1 + self.epochs.periods_ended(step + 1, last, every)

    @property
    def validation_is_due(self) -> bool:
        """At the end of every so many epochs, and after the last step."""
        progress, every = self.progress, self.recipe.training.validate_every
        if self.evaluate is None or progress.validated == progress.step:
            return False
        return progress.all_steps_done or self.epochs.ends_period(progress.step, every)

    @property
    def patience_is_over(self) -> bool:
        """As many validations as the recipe allows found nothing better."""
        patience = self.recipe.training.patience
        return patience is not None and self.progress.since_best >= patience

    @property
    def over(self) -> bool:
        """Nothing is left to do."""
        done = self.progress.all_steps_done and not self.validation_is_due
        return done or self.patience_is_over
