"""What is found out before a run begins: the batch that fits, the time there is, whether it works.

All of it happens on trainings that are thrown away. The run itself is built anew afterwards, so
that its weights and random numbers are as if nothing had been measured.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from singleshot.data.batching import Images, TrainingBatches
from singleshot.data.cache import cache_images
from singleshot.data.machine import available_cores, free_memory
from singleshot.data.splits import TrainingData
from singleshot.errors import SingleshotError
from singleshot.files import write_atomically
from singleshot.recipes.schema import Recipe
from singleshot.runs.callbacks import Callback, CallbackList, OnMessage
from singleshot.runs.folder import RunFolder
from singleshot.structures import Batch
from singleshot.training.budget import Allotment, TimeBudget, allot, in_words
from singleshot.training.costs import costs_of, decode_seconds
from singleshot.training.largest_batch import LARGEST, largest_batch, with_batch_size
from singleshot.training.loop import Training
from singleshot.training.pace import Pace, paced
from singleshot.training.processes import Processes
from singleshot.training.profile import NUM_BATCHES, profile_training
from singleshot.training.rehearsal import seconds_of_step
from singleshot.training.sanity_check import self_test
from singleshot.training.validation import Judge

__all__ = ["Begin", "Preparation", "Prepared", "Wishes"]

CHEAP = 0.02  # of the budget: decoding all images once is worth it without asking
WORTH_CACHING = 1.5  # times that each image is looked at
FOR_MEASURING = 0.03  # of the budget


@runtime_checkable
class Begin(Protocol):
    """What builds a training from the start."""

    def __call__(
        self, recipe: Recipe, images: Images, *, callback: Callback, resume: bool
    ) -> tuple[Training, TrainingBatches]:
        """As `build_training`; nothing is written."""


@dataclass(frozen=True)
class Wishes:
    """What a person wants besides the training itself."""

    time_budget: TimeBudget | None = None
    profile: bool = False
    self_test: bool = False


@dataclass(frozen=True)
class Prepared:
    """With what to begin."""

    recipe: Recipe  # with all that was measured written out
    images: Images
    pace: Pace | None
    num_steps: int | None  # from here on, where time is short

    def in_time(self, training: Training, batches: TrainingBatches) -> Iterable[Batch]:
        """The batches of the training, or as many as there is time for."""
        if self.num_steps is not None:
            training.change_num_steps(training.progress.step + self.num_steps)
        return batches if self.pace is None else paced(training, self.pace, batches)


@dataclass(frozen=True)
class Preparation:
    """All that has to be known for it."""

    data: TrainingData
    begin: Begin
    judge: Judge
    folder: RunFolder
    wishes: Wishes
    processes: Processes
    on_message: OnMessage
    resume: bool

    def run(self, recipe: Recipe) -> Prepared:
        """Grant the wishes, in the order in which one builds on the other."""
        self.require_possible(recipe)
        recipe, images = self.with_images(recipe)
        if recipe.training.largest_batch:
            recipe = self.with_largest_batch(recipe, images)
        if self.wishes.self_test:
            training, _ = self.rehearsal(recipe, images)
            self_test(training, self.data, self.on_message)
            recipe = training.recipe
        if self.wishes.profile:
            recipe = self.profiled(recipe, images)
        if self.wishes.time_budget is None:
            return Prepared(recipe, images, pace=None, num_steps=None)
        return self.fitted(recipe, images, self.wishes.time_budget)

    def require_possible(self, recipe: Recipe) -> None:
        """Raises SingleshotError for what cannot be had together."""
        wishes = self.wishes
        measured = wishes.time_budget or wishes.profile or wishes.self_test
        if self.processes.several and (measured or recipe.training.largest_batch):
            raise SingleshotError(
                "--time-budget, --profile, --self-test and batch=auto are for a single process; "
                "find out with one what you want to know, then give torchrun the recipe.toml of "
                "that run"
            )
        if wishes.self_test and self.resume:
            raise SingleshotError(
                "--self-test comes before a run begins; leave it out together with --resume"
            )

    def rehearsal(self, recipe: Recipe, images: Images) -> tuple[Training, TrainingBatches]:
        """A training to throw away; it begins at the start, also when a run is resumed."""
        return self.begin(recipe, images, callback=CallbackList([]), resume=False)

    def with_images(self, recipe: Recipe) -> tuple[Recipe, Images]:
        """Keep the images in memory, unless the time does not suffice to use each again."""
        train, share, budget = self.data.train, recipe.training.cache, self.wishes.time_budget
        if budget is None or self.resume or not share:
            return recipe, self.kept(share)
        filling = decode_seconds(train) * len(train) / available_cores()
        if filling <= CHEAP * budget.seconds:
            return recipe, self.kept(share)
        step = self.measured_step(recipe, train, budget)
        seen = (budget.aim - time.monotonic()) / step * recipe.training.batch_size
        if seen >= WORTH_CACHING * len(train):
            return recipe, self.kept(share)
        self.on_message(
            f"images are decoded whenever they are needed: each is needed "
            f"{seen / len(train):.1f} times, and decoding all of them once would take "
            f"{in_words(filling)}"
        )
        settings = recipe.training.model_copy(update={"cache": 0.0})
        return recipe.model_copy(update={"training": settings}), train

    def kept(self, share: float) -> Images:
        """In memory, if they fit in this share of it."""
        # Memory is the machine's, and each of its processes keeps all images.
        return cache_images(self.data.train, share / self.processes.num_local, self.on_message)

    def measured_step(self, recipe: Recipe, images: Images, budget: TimeBudget) -> float:
        """Seconds, with its data."""
        training, batches = self.rehearsal(recipe, images)
        enough = iter(batches.between(0, NUM_BATCHES))
        return seconds_of_step(training, enough, at_most=FOR_MEASURING * budget.seconds)

    def with_largest_batch(self, recipe: Recipe, images: Images) -> Recipe:
        """As many images in a step as fit, and the learning rate that goes with it."""
        training, batches = self.rehearsal(recipe, images)
        number = largest_batch(
            training,
            next(iter(batches)),
            at_most=min(LARGEST, len(self.data.train)),
            free=free_memory(),
        )
        fitted = with_batch_size(training.recipe, number)
        before, after = recipe.training, fitted.training
        self.on_message(
            f"batches of {after.batch_size} images fit into memory; the learning rate is "
            f"{after.learning_rate:.4g}: {before.learning_rate:g} in batches of "
            f"{before.batch_size}, scaled linearly (Goyal et al. 2017)"
        )
        return fitted

    def profiled(self, recipe: Recipe, images: Images) -> Recipe:
        """Look at the first steps; the files lie in the run."""
        training, batches = self.rehearsal(recipe, images)
        several = iter(batches.between(0, NUM_BATCHES))
        profile = profile_training(training, several, self.folder.trace)
        with write_atomically(self.folder.profile) as beside:
            beside.write_text(f"{profile}\n", encoding="utf-8")
        self.on_message(f"{profile}\n{self.folder.profile} and {self.folder.trace} are written")
        return training.recipe

    def fitted(self, recipe: Recipe, images: Images, budget: TimeBudget) -> Prepared:
        """As many steps as there is time for."""
        start = time.monotonic()
        training, batches = self.rehearsal(recipe, images)
        begin = time.monotonic() - start
        step = seconds_of_step(
            training,
            iter(batches.between(0, NUM_BATCHES)),
            at_most=FOR_MEASURING * budget.seconds,
        )
        costs = costs_of(training, self.data.validation, self.judge, begin=begin, step=step)
        fits = allot(budget, time.monotonic(), costs, training.recipe, len(images))
        pace = Pace(budget, costs.step, costs.validation, costs.finish)
        self.say_plan(recipe, fits, budget, pace)
        if self.resume:
            return Prepared(recipe, images, pace, fits.num_steps)
        changes = {
            "epochs": None,
            "steps": fits.num_steps,
            "validate_every": fits.validate_every,
        }
        settings = training.recipe.training.model_copy(update=changes)
        planned = training.recipe.model_copy(update={"training": settings})
        return Prepared(planned, images, pace, num_steps=None)

    def say_plan(self, recipe: Recipe, fits: Allotment, budget: TimeBudget, pace: Pace) -> None:
        """What fits, and how that compares with what the recipe asks for."""
        settings, num_images = recipe.training, len(self.data.train)
        epochs = fits.num_steps * settings.batch_size / num_images
        wanted = settings.epochs or (settings.steps or 0) * settings.batch_size / num_images
        self.on_message(
            f"a time budget of {in_words(budget.seconds)} gives {fits.num_steps} steps of "
            f"{in_words(pace.step)}, {epochs:.1f} epochs, and as validations "
            f"{fits.num_validations} of {in_words(pace.validation)}"
        )
        if epochs < wanted and not self.resume:
            self.on_message(
                f"that is less than the {wanted:.4g} epochs the recipe asks for: expect a detector "
                f"that is not as good as it could be"
            )
