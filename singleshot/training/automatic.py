"""`train auto`: choose the recipe of a training once its data, start and device are known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from jaxtyping import UInt8
from torch import Tensor

from singleshot.auto import constants
from singleshot.auto.choose import choose_recipe
from singleshot.auto.chosen_recipe import ChosenRecipe
from singleshot.auto.coverage import describe_coverage
from singleshot.auto.facts import DataFacts
from singleshot.auto.limits import Limits, MeasurementSetup, seconds_per_image
from singleshot.auto.shape_rules import cache_side_for
from singleshot.auto.start import BaseRecipe, base_content
from singleshot.auto.task import Task, TrainingMachine
from singleshot.cores import sharing_cores
from singleshot.data.cache.memory import cache_images
from singleshot.data.machine import available_cores
from singleshot.data.splits import TrainingData
from singleshot.models.opening import load_trainable
from singleshot.models.summary import summarise
from singleshot.recipes.load import ABBREVIATIONS, load_recipe, pairs
from singleshot.recipes.toml import flat
from singleshot.runs.callbacks import OnMessage
from singleshot.runs.folder import RunFolder
from singleshot.training.build import TrainingSetup, build_training
from singleshot.training.options import TimeBudget, TrainingOptions
from singleshot.training.precautions import keeping_memory
from singleshot.training.processes import Processes
from singleshot.training.profile import NUM_BATCHES
from singleshot.training.start import Start
from singleshot.training.time_budget import seconds_per_step

__all__ = ["choose_for", "describe_trained", "report_choices", "with_single_keys"]

MOST_FOR_MEASURING = 0.03  # of the time budget
FEW_IMAGES = 16  # that the speed is measured on; in memory, as those of a training are


def with_single_keys(options: TrainingOptions) -> TrainingOptions:
    """Return options whose overrides are of single keys: rules choose keys, not tables.

    A table with a kind stays whole, since it takes the place of another kind's.
    """
    overrides: dict[str, object] = {}
    for key, value in pairs(options.overrides):
        is_kind = isinstance(value, dict) and "kind" in value
        overrides |= {key: value} if is_kind else flat({key: value})
    return replace(options, overrides=overrides)


def choose_for(
    data: TrainingData,
    start: Start | None,
    options: TrainingOptions,
    device: torch.device,
    processes: Processes,
    *,
    known: bool,
) -> ChosenRecipe:
    """Choose the recipe of a training; that of the first process holds for all.

    `known` is whether the start knows all classes.

    With a time budget, the speed of the machine is measured by a few steps of the base recipe.

    Raises as `choose_recipe` does, and DataError for an image that cannot be read.
    """
    machine = TrainingMachine(
        "cpu" if device.type == "cpu" else "gpu", available_cores(), processes=processes.world_size
    )
    detector = None if start is None else start.detector
    facts = DataFacts.of(data.train, data.validation)
    given = {ABBREVIATIONS.get(key, key): value for key, value in options.all_overrides.items()}
    budget = options.time_budget
    seconds = budget.seconds if isinstance(budget, TimeBudget) else budget
    if seconds is not None:
        cache_side = given.get("training.cache_side")
        if not isinstance(cache_side, int) or cache_side < 0:  # refused when the recipe is checked
            cache_side = cache_side_for(facts, constants.LARGER_INPUT)
        at_most = MOST_FOR_MEASURING * seconds
        machine = _measured(machine, data, cache_side, device, at_most=at_most)
    base = BaseRecipe.of(detector, knows_classes=known)
    task = Task(
        facts=facts,
        machine=machine,
        seconds=seconds,
        start=base.start,
        given=given,
    )
    limits = Limits(options.max_latency, options.max_gmac)
    setup = MeasurementSetup(data.train.class_names, data.train[0].image, device)
    chosen = choose_recipe(task, base.content, limits, setup)
    if task.chooses_network:
        coverage = describe_coverage(chosen, base.content, task.facts, data.train.class_names)
        chosen = replace(chosen, remarks=(coverage,))
    return processes.broadcast(chosen)


def _measured(
    machine: TrainingMachine,
    data: TrainingData,
    cache_side: int,
    device: torch.device,
    *,
    at_most: float,
) -> TrainingMachine:
    """Measure the speed of a machine by training steps of the base recipe, which are discarded.

    `cache_side` is that of the training, 0 where images stay as they are.
    """
    recipe = load_recipe(base_content(None))
    few_images = data.train.subset(range(min(FEW_IMAGES, len(data.train))), description="")
    with TemporaryDirectory() as folder, keeping_memory(), sharing_cores(lambda _: None):
        setup = TrainingSetup(
            TrainingData(few_images, None, ()), RunFolder(Path(folder)), device=device
        )
        images = cache_images(
            few_images, recipe.training.cache, lambda _: None, shorter_side=cache_side or None
        )
        training, batches = build_training(recipe, images, setup, dry_run=True)
        few = iter(batches.between(0, NUM_BATCHES))
        seconds = seconds_per_step(training, few, at_most=at_most)
    return machine.with_measured_step(seconds, recipe.training.batch_size)


def report_choices(chosen: ChosenRecipe, on_message: OnMessage) -> None:
    """Report what was looked at, and each choice with its reason, in a line each."""
    for line in filter(None, (*chosen.about, *map(str, chosen.choices), *chosen.remarks)):
        on_message(f"auto: {line}")


def describe_trained(
    checkpoint: Path, ap: float | None, image: UInt8[Tensor, "3 h w"], device: torch.device
) -> str:
    """Describe size, time for an image and AP of a trained detector, in a line."""
    detector = load_trainable(checkpoint, device)
    size = summarise(detector, recipe="")
    milliseconds = 1000 * seconds_per_image(detector, image)
    validation = "not validated" if ap is None else f"validation AP {ap:.3f}"
    height, width = size.input
    return (
        f"{checkpoint}: {validation}, {size.parameters / 1e6:.2f} M parameters, "
        f"{size.macs / 1e9:.2f} GMAC at {height} x {width}, {milliseconds:.1f} ms from a decoded "
        f"image to its boxes on this machine"
    )
