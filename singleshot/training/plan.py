"""Resolve what is measured before a run begins: batch size, self-test, profile, time budget.

Each is measured on a training that is thrown away. The run itself is built anew afterwards, so that
its weights and random numbers are as if nothing had been measured.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from singleshot.data.batching import Images, TrainingBatches
from singleshot.data.cache.memory import cache_images, shrink_images
from singleshot.data.machine import available_cores, free_memory
from singleshot.errors import SingleshotError
from singleshot.files import write_atomically
from singleshot.recipes.schema import Recipe
from singleshot.recipes.training import TrainingSettings, describe_scaling
from singleshot.runs.folder import with_training
from singleshot.structures import Batch
from singleshot.training.build import TrainingSetup, build_training
from singleshot.training.largest_batch import LARGEST, largest_batch, with_batch_size
from singleshot.training.loop import Training
from singleshot.training.options import TimeBudget, TrainingOptions, format_duration
from singleshot.training.profile import NUM_BATCHES, profile_training
from singleshot.training.self_test import self_test
from singleshot.training.time_budget import (
    Allotment,
    Pace,
    allot,
    measure_costs,
    paced_batches,
    seconds_per_decode,
    seconds_per_step,
)

__all__ = ["TrainingPlan", "resolve_plan"]

CHEAP = 0.02  # of the budget: decoding all images once is worth it without measuring a step
WORTH_CACHING = 1.5  # uses of each image from which on keeping it in memory pays


@dataclass(frozen=True)
class TrainingPlan:
    """Recipe, images and number of steps of a training, resolved before its first step."""

    recipe: Recipe  # with all that was measured written out
    images: Images
    pace: Pace | None = None  # of a time budget
    num_steps: int | None = None  # left of a resumed training, where there is a time budget

    def in_time(self, training: Training, batches: TrainingBatches) -> Iterable[Batch]:
        """Return the batches of the training, or as many as there is time for."""
        # Of a resumed training, the last validation alone may be left to do.
        if self.num_steps is not None and not training.progress.all_steps_done:
            training.change_num_steps(training.progress.step + self.num_steps)
        return batches if self.pace is None else paced_batches(training, self.pace, batches)


def resolve_plan(
    recipe: Recipe, setup: TrainingSetup, options: TrainingOptions, budget: TimeBudget | None
) -> TrainingPlan:
    """Resolve batch size, self-test, profile and time budget, in this order.

    Each uses the ones before. Raises SingleshotError where the options exclude each other, and
    RunFailed where the self-test fails.
    """
    _require_possible(recipe, setup, options, budget)
    recipe, images = _with_images(recipe, setup, budget)
    if recipe.training.largest_batch:
        recipe = _with_largest_batch(recipe, images, setup)
    if options.self_test:
        training, _ = build_training(recipe, images, setup, dry_run=True)
        self_test(training, setup.data, setup.callback.on_message)
        recipe = training.recipe
    if options.profile:
        recipe = _profiled(recipe, images, setup)
    if budget is None:
        return TrainingPlan(recipe, images)
    return _fitted(recipe, images, setup, budget)


def _require_possible(
    recipe: Recipe, setup: TrainingSetup, options: TrainingOptions, budget: TimeBudget | None
) -> None:
    measured = budget or options.profile or options.self_test
    if setup.processes.is_distributed and (measured or recipe.training.largest_batch):
        raise SingleshotError(
            "--time-budget, --profile, --self-test and batch=auto are for a single process; "
            "use them with one, then give torchrun the recipe.toml of that run"
        )
    if options.self_test and setup.resume:
        raise SingleshotError(
            "--self-test comes before a run begins; leave it out together with --resume"
        )


def _with_images(
    recipe: Recipe, setup: TrainingSetup, budget: TimeBudget | None
) -> tuple[Recipe, Images]:
    """Cache the images in memory, unless a time budget is too short to use each again."""
    train, settings = setup.data.train, recipe.training
    if budget is None or setup.resume or not settings.cache:
        return recipe, _cached(setup, settings)
    images = shrink_images(train, settings.cache_side or None)
    filling = seconds_per_decode(images) * len(train) / available_cores()
    if filling <= CHEAP * budget.seconds:
        return recipe, _cached(setup, settings)
    training, batches = build_training(recipe, images, setup, dry_run=True)
    step = seconds_per_step(training, batches, budget.seconds)
    seen = (budget.aim - time.monotonic()) / step * settings.batch_size
    if seen >= WORTH_CACHING * len(train):
        return recipe, _cached(setup, settings)
    setup.callback.on_message(
        f"images are decoded whenever they are needed: each is needed {seen / len(train):.1f} "
        f"times, and decoding all of them once would take {format_duration(filling)}"
    )
    return with_training(recipe, {"cache": 0.0}), images


def _cached(setup: TrainingSetup, settings: TrainingSettings) -> Images:
    """Cache as many images as fit in the share of the machine's memory, or of a folder's disk."""
    # Memory is the machine's, and each of its processes keeps its own; a file is for all.
    folder = settings.cache_folder
    processes = 1 if folder else setup.processes.local_world_size
    return cache_images(
        setup.data.train,
        settings.cache / processes,
        setup.callback.on_message,
        shorter_side=settings.cache_side or None,
        folder=None if folder is None else Path(folder),
    )


def _with_largest_batch(recipe: Recipe, images: Images, setup: TrainingSetup) -> Recipe:
    """Set the largest batch size that fits into memory, and the learning rate for it."""
    training, batches = build_training(recipe, images, setup, dry_run=True)
    number = largest_batch(
        training,
        next(iter(batches)),
        at_most=min(LARGEST, len(setup.data.train)),
        free=free_memory(),
    )
    fitted = with_batch_size(training.recipe, number)
    before, after = recipe.training, fitted.training
    setup.callback.on_message(
        f"batches of {after.batch_size} images fit into memory; the learning rate is "
        f"{after.learning_rate:.4g}: {before.learning_rate:g} in batches of "
        f"{before.batch_size}, {describe_scaling(before.optimizer)}"
    )
    return fitted


def _profiled(recipe: Recipe, images: Images, setup: TrainingSetup) -> Recipe:
    """Profile the first steps and write the table and the trace into the run folder."""
    training, batches = build_training(recipe, images, setup, dry_run=True)
    folder = setup.folder
    profile = profile_training(training, iter(batches.between(0, NUM_BATCHES)), folder.trace)
    with write_atomically(folder.profile) as beside:
        beside.write_text(f"{profile}\n", encoding="utf-8")
    setup.callback.on_message(f"{profile}\n{folder.profile} and {folder.trace} are written")
    return training.recipe


def _fitted(
    recipe: Recipe, images: Images, setup: TrainingSetup, budget: TimeBudget
) -> TrainingPlan:
    """Fit the number of steps and validations into the time budget."""
    start = time.monotonic()
    training, batches = build_training(recipe, images, setup, dry_run=True)
    begin = time.monotonic() - start
    step = seconds_per_step(training, batches, budget.seconds)
    costs = measure_costs(training, setup.data.validation, begin=begin, step=step)
    if setup.start is not None and not setup.resume:
        # The detector that it starts from is validated before the first step.
        costs = replace(costs, begin=costs.begin + costs.validation)
    fits = allot(budget, time.monotonic(), costs, training.recipe, len(images))
    pace = Pace(budget, costs.step, costs.validation, costs.finish)
    _announce_budget(recipe, setup, fits, pace)
    if setup.resume:
        return TrainingPlan(recipe, images, pace, fits.num_steps)
    changes = {"epochs": None, "steps": fits.num_steps, "validate_every": fits.validate_every}
    return TrainingPlan(with_training(training.recipe, changes), images, pace)


def _announce_budget(recipe: Recipe, setup: TrainingSetup, fits: Allotment, pace: Pace) -> None:
    """Report what fits, and how that compares with the epochs of the recipe."""
    settings, num_images = recipe.training, len(setup.data.train)
    epochs = fits.num_steps * settings.batch_size / num_images
    requested = settings.epochs or (settings.steps or 0) * settings.batch_size / num_images
    validations = f"{fits.num_validations} of {format_duration(pace.validation)}"
    setup.callback.on_message(
        f"a time budget of {format_duration(pace.budget.seconds)} gives {fits.num_steps} steps of "
        f"{format_duration(pace.step)}, {epochs:.1f} epochs, "
        + (f"and as validations {validations}" if setup.data.validation else "without validation")
    )
    # The epochs of a recipe that was chosen are an estimate of what fits.
    if epochs < requested and not (setup.resume or setup.chosen):
        setup.callback.on_message(
            f"that is less than the {requested:.4g} epochs of the recipe: expect a lower accuracy"
        )
