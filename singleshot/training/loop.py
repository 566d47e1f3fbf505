"""The training loop: step, validate, save, until all is done or it is interrupted."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from statistics import fmean
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from singleshot.checkpoints.checkpoint import Checkpoint
from singleshot.detectors.common.devices import halve_until_it_fits
from singleshot.detectors.detector import Losses, Objective, TrainableDetector
from singleshot.errors import RunFailed, SingleshotError, some_of
from singleshot.files import flush_to_disk, remove_partial_files
from singleshot.metrics.coco import ClassNumbers
from singleshot.recipes.schema import Recipe
from singleshot.runs.callbacks import Callback, EvaluationRecord, StartRecord
from singleshot.runs.folder import RunFolder
from singleshot.runs.progress import NEVER, TrainingProgress
from singleshot.structures import Batch
from singleshot.training.divergence import DivergenceCheck
from singleshot.training.frozen import set_training_mode
from singleshot.training.gradients import Gradients
from singleshot.training.interrupt import Interrupt, ValidationAborted
from singleshot.training.optimizers import WeightAverage, rate_at, set_learning_rate
from singleshot.training.precautions import explaining_failures
from singleshot.training.precision import Precision
from singleshot.training.processes import Processes, share_errors
from singleshot.training.run_images import save_batch
from singleshot.training.state import save_state
from singleshot.training.step_monitor import Epochs, FinishedStep, StepMonitor, timed_batches

__all__ = ["Evaluate", "Scores", "Training"]

SECONDS_BETWEEN_SAVES = 300.0


class Scores(NamedTuple):
    """Accuracy of a detector on the validation images, by COCO's rules."""

    AP: float
    AP50: float
    per_class: Mapping[str, ClassNumbers]


# Evaluates a detector, and calls a function between two batches, which may raise ValidationAborted.
Evaluate = Callable[[nn.Module, Callable[[], None]], Scores]


@dataclass
class Training:
    """Model, optimizer and state of one training."""

    model: TrainableDetector
    objective: Objective  # the model, or the model beside a teacher
    optimizer: Optimizer
    average: WeightAverage
    recipe: Recipe
    num_images: int
    progress: TrainingProgress
    folder: RunFolder
    callback: Callback
    device: torch.device
    precision: Precision
    evaluate: Evaluate | None
    processes: Processes
    divergence: DivergenceCheck | None = None  # of a start from a detector
    kept_classes: Sequence[str] = ()  # that the detector it starts from has, too
    gradients: Gradients = field(init=False)
    epochs: Epochs = field(init=False)
    monitor: StepMonitor = field(init=False)
    trainable: list[nn.Parameter] = field(init=False)
    last_save: float = field(init=False, default=0.0)

    def __post_init__(self) -> None:
        self.epochs = Epochs(self.num_images, self.recipe.training.batch_size)
        self.monitor = StepMonitor.on_device(
            self.device, self.callback, self.epochs, self.progress.num_steps, self.processes
        )
        self.gradients = Gradients(
            self.objective,
            self.processes,
            self.device,
            self.precision,
            num_parts=self.recipe.training.accumulate,
        )
        self.monitor.divergence = self.divergence
        # Listed once: going through the modules takes long.
        self.trainable = [p for p in self.model.parameters() if p.requires_grad]

    def run(self, batches: Iterable[Batch], interrupt: Interrupt) -> TrainingProgress:
        """Take all steps, or those until an interrupt, and save the weights and the state."""
        if self.processes.is_first:
            remove_partial_files(self.folder.path)
        self.callback.on_start(self.start_record)
        set_training_mode(self.model, self.recipe.training.frozen_parts)
        try:
            # At once, so that a full disk is found now and not after an hour.
            self.save_state()
            self.last_save = time.monotonic()
            self.monitor.start_clock()
            with explaining_failures(self.recipe.training):
                self.take_steps(batches, interrupt)
        finally:
            self.callback.on_finish()
        return self.progress

    def take_steps(self, batches: Iterable[Batch], interrupt: Interrupt) -> None:
        """Step, validate and save until all is done or an interrupt is requested."""
        if self.divergence is not None:
            self.divergence.check_last_validation(self.progress.validated, self.progress.start)
        # The last process may have been stopped between a step and its validation.
        self.validate_when_due(interrupt)
        (stop,) = self.processes.any(interrupt.stop)
        if not (stop or self.over):
            for batch, seconds_waiting in self.drawn_batches(share_errors(batches, self.processes)):
                if self.processes.is_first and self.progress.step == 0:
                    save_batch(batch, self.model.class_names, self.folder.batch_image)
                self.step_within_memory(batch, seconds_waiting)
                self.validate_when_due(interrupt)
                stop, save = self.processes.any(interrupt.stop, self.save_is_due)
                if save:
                    self.save()
                if stop or self.over:
                    break
        self.progress = replace(self.progress, finished=self.over)
        self.save()

    def drawn_batches(self, batches: Iterable[Batch]) -> Iterator[tuple[Batch, float]]:
        """Yield each batch with the seconds spent waiting; save where one cannot be read.

        Between two steps everything is as the next step needs it, and so may be saved.
        """
        try:
            yield from timed_batches(batches)
        except SingleshotError:
            self.save()
            raise

    def step_within_memory(self, batch: Batch, seconds_waiting: float) -> None:
        """Take a step; raises RunFailed with the batch that fits where a GPU's memory is too small.

        With several processes the error stays as it is: they cannot try batches together.
        """
        try:
            self.step(batch, seconds_waiting)
        except torch.OutOfMemoryError:
            if self.processes.is_distributed:
                raise
        else:
            return
        settings = self.recipe.training
        at_once = -(-len(batch) // settings.accumulate)
        self.gradients.num_parts = 1
        fit = halve_until_it_fits(lambda number: self.find_gradients(batch[:number]), at_once)
        parts = -(-settings.batch_size // fit) if fit else 0
        remedy = (
            f"{fit} fit: begin a new run with --set training.batch_size={fit}, or with --set "
            f"training.accumulate={parts} for the same batches in parts"
            if fit
            else "not even one can be trained on: begin a new run with a smaller model.input"
        )
        raise RunFailed(
            f"out of memory on {self.device} with {at_once} images at once; {remedy}; or --resume "
            f"where there is more memory: what was saved last is good"
        )

    def step(self, batch: Batch, seconds_waiting: float) -> None:
        """Take an optimizer step on one batch."""
        learning_rate = self.set_learning_rate()
        self.model.enter(self.progress.part)
        losses = self.find_gradients(batch)
        gradient_norm = self.clip_gradients()
        self.optimizer.step()
        step = self.progress.step + 1
        self.average.update(step)
        self.progress = replace(self.progress, step=step)
        self.monitor.add(
            FinishedStep(step, batch.names, losses, gradient_norm, learning_rate, seconds_waiting)
        )

    def set_learning_rate(self) -> float:
        """Set the rate of the next step by the schedule; returns it, without factors of groups."""
        settings = self.recipe.training
        factor = rate_at(self.progress.schedule_step, self.progress.num_steps, settings.schedule)
        set_learning_rate(self.optimizer, factor)
        return factor * settings.learning_rate

    def find_gradients(self, batch: Batch) -> Losses:
        """Compute the gradient of a batch, of which `batch` is this process' share."""
        self.optimizer.zero_grad(set_to_none=True)
        return self.gradients.add(batch)

    def clip_gradients(self) -> Tensor:
        """Clip the gradient to the norm that the recipe allows; returns the norm before."""
        gradients = [p.grad for p in self.trainable if p.grad is not None]
        norm = nn.utils.get_total_norm(gradients)
        if limit := self.recipe.training.clip_gradient:
            nn.utils.clip_grads_with_norm_(self.trainable, limit, norm)
        return norm

    def validate_when_due(self, interrupt: Interrupt) -> None:
        """Validate the averaged weights, unless an interrupt is requested meanwhile."""
        if self.evaluate is None or not self.validation_is_due:
            return
        self.save()
        try:
            if self.processes.is_distributed:
                # All abort after the same batch: others would wait in vain for a process that left.
                found = self.evaluate(self.average.model, lambda: self.abort_together(interrupt))
            else:
                with interrupt.aborting():
                    found = self.evaluate(self.average.model, lambda: None)
        except ValidationAborted:
            return  # it is still due when the training is resumed
        self.add_validation(found)

    def abort_together(self, interrupt: Interrupt) -> None:
        """Raise ValidationAborted in all processes when one has a request to stop."""
        (stop,) = self.processes.any(interrupt.stop)
        if stop:
            raise ValidationAborted

    def add_validation(self, found: Scores) -> None:
        """Record a validation; save the weights if they have the best average precision so far."""
        step, best = self.progress.step, self.progress.best
        is_best = best is None or best < found.AP
        since_best = 0 if is_best else self.progress.since_best + 1
        best = found.AP if is_best else best
        start = found.AP if step == 0 else self.progress.start
        self.progress = replace(
            self.progress, best=best, since_best=since_best, validated=step, start=start
        )
        ends = self.patience_is_over and not self.progress.all_steps_done
        # Before the callbacks, which may end the training; the state comes last, after the log.
        if is_best:
            self.save_weights(self.folder.best)
        self.callback.on_evaluation(
            EvaluationRecord(
                step=step,
                epoch=self.epochs.of(step),
                mean_average_precision=found.AP,
                AP50=found.AP50,
                per_class={name: one.AP for name, one in found.per_class.items()},
                since_best=since_best,
                ends_early=ends,
            )
        )
        if step == 0:
            self.callback.on_message(self.describe_start(found))
        if ends:
            self.callback.on_message(
                f"Ends early: no better validation in the last {since_best} (training.patience)"
            )
        self.save()
        if self.divergence is not None:
            self.divergence.check_validation(step, start, found.AP)

    def describe_start(self, found: Scores) -> str:
        """Describe the accuracy of the detector that the training starts from."""
        text = f"before training: AP {found.AP:.3f}, AP50 {found.AP50:.3f}"
        if len(self.kept_classes) == len(found.per_class):
            return f"{text} on the shared classes"
        of_shared = [found.per_class[name].AP50 for name in self.kept_classes]
        defined = [value for value in of_shared if value is not None]
        if not defined:
            return f"{text}; all classes are new"
        shared = some_of(self.kept_classes)
        return f"{text}; AP50 {fmean(defined):.3f} on the shared classes ({shared})"

    def save(self) -> None:
        """Save the newest weights, and the state to resume from."""
        self.monitor.record()  # raises before weights with a NaN are saved
        self.save_weights(self.folder.last)
        self.save_state()
        self.monitor.skip_time()
        self.last_save = time.monotonic()

    def save_state(self) -> None:
        """Save the state to resume from."""
        if self.processes.is_first and self.folder.log.exists():
            # First the log: it must hold all steps that the state has done.
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
        """Save the averaged weights, whole or not at all, in the first process for all."""
        if self.processes.is_first:
            self.checkpoint().save(path)

    def checkpoint(self) -> Checkpoint:
        """Return the averaged weights as a checkpoint."""
        return Checkpoint(
            weights=self.average.model.state_dict(),
            recipe=self.recipe,
            class_names=self.model.class_names,
            metrics=asdict(self.progress),
        )

    @property
    def save_is_due(self) -> bool:
        """True when it is time to save, by the clock of the first process: others' may differ."""
        waited = time.monotonic() - self.last_save
        return self.processes.is_first and waited > SECONDS_BETWEEN_SAVES

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
        """Change the length of the training; batches have to be drawn anew from here."""
        self.progress = self.progress.with_num_steps(num_steps)
        self.monitor.num_steps = num_steps

    @property
    def validations_left(self) -> int:
        """Number of validations that are still to come."""
        if self.evaluate is None or self.progress.all_steps_done:
            return 0
        every = self.recipe.training.validate_every
        step, last = self.progress.step, self.progress.num_steps
        of_start = self.progress.validated == NEVER
        return of_start + 1 + self.epochs.periods_ended(step + 1, last, every)

    @property
    def validation_is_due(self) -> bool:
        """True at the end of `validate_every` epochs and after the last step, until validated."""
        progress, every = self.progress, self.recipe.training.validate_every
        if self.evaluate is None or progress.validated == progress.step:
            return False
        return (
            progress.all_steps_done
            or progress.step == 0
            or self.epochs.ends_period(progress.step, every)
        )

    @property
    def patience_is_over(self) -> bool:
        """True when `training.patience` validations in a row were no new best."""
        patience = self.recipe.training.patience
        return patience is not None and self.progress.since_best >= patience

    @property
    def over(self) -> bool:
        """True when neither a step nor a validation is left."""
        done = self.progress.all_steps_done and not self.validation_is_due
        return done or self.patience_is_over
