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
from singleshot.data.dataset import DataSet
from singleshot.data.machine import available_cores
from singleshot.data.splits import TrainingData
from singleshot.errors import SingleshotError
from singleshot.models.opening import load_trainable
from singleshot.models.summary import summarise
from singleshot.recipes.load import ABBREVIATIONS, load_recipe, pairs
from singleshot.recipes.toml import flat
from singleshot.runs.callbacks import OnMessage
from singleshot.runs.folder import RunFolder
from singleshot.training.build import TrainingSetup, build_training
from singleshot.training.options import TimeBudget, TrainingOptions
from singleshot.training.plan import WORTH_CACHING
from singleshot.training.precautions import keeping_memory
from singleshot.training.processes import Processes
from singleshot.training.start import Start
from singleshot.training.time_budget import seconds_per_step

__all__ = ["choose_for", "describe_trained", "report_choices", "with_single_keys"]


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
    chosen: ChosenRecipe | SingleshotError | None = None
    if processes.is_first:  # the others wait: beside them, what is measured would take longer
        machine = TrainingMachine(
            "cpu" if device.type == "cpu" else "gpu",
            available_cores(),
            processes=processes.world_size,
        )
        detector = None if start is None else start.detector
        try:
            base = BaseRecipe.of(detector, knows_classes=known)
            chosen = _choose(data, base, options, device, machine)
        except SingleshotError as error:
            chosen = error
    chosen = processes.broadcast(chosen)
    if isinstance(chosen, SingleshotError):
        raise chosen
    assert chosen is not None
    return chosen


def _choose(
    data: TrainingData,
    base: BaseRecipe,
    options: TrainingOptions,
    device: torch.device,
    machine: TrainingMachine,
) -> ChosenRecipe:
    """Choose the recipe for a machine, whose speed is measured where the time is limited."""
    facts = DataFacts.of(data.train, data.validation)
    given = {ABBREVIATIONS.get(key, key): value for key, value in options.all_overrides.items()}
    budget = options.time_budget
    seconds = budget.seconds if isinstance(budget, TimeBudget) else budget
    task = Task(facts=facts, machine=machine, seconds=seconds, start=base.start, given=given)
    if seconds is not None:
        task = replace(task, machine=_measured(task, data.train, device))
    limits = Limits(options.max_latency, options.max_gmac)
    # Not one of the images: the first may be much larger than the others.
    typical = torch.zeros(3, *facts.median_size, dtype=torch.uint8)
    setup = MeasurementSetup(data.train.class_names, typical, device)
    chosen = choose_recipe(task, base.content, limits, setup)
    if task.chooses_network:
        coverage = describe_coverage(chosen, base.content, facts, data.train.class_names)
        chosen = replace(chosen, remarks=(coverage,))
    return chosen


def _measured(task: Task, train: DataSet, device: torch.device) -> TrainingMachine:
    """Measure the speed of a machine by training steps of the base recipe, which are discarded.

    Images are in memory, but for those of a data set so large that a training of this length
    decodes most of them once.
    """
    machine, seconds = task.machine, task.seconds
    assert seconds is not None
    batch = constants.GPU_BATCH if machine.device == "gpu" else constants.CPU_BATCH
    recipe = load_recipe(base_content(None), {"training.batch_size": batch})
    few_images = train.subset(range(min(2 * batch, len(train))), description="")
    cache_side = task.given.get("training.cache_side")
    if not isinstance(cache_side, int) or cache_side < 0:  # refused when the recipe is checked
        cache_side = cache_side_for(task.facts, constants.LARGER_INPUT)
    seen = batch * (task.steps_in_time(batch, 1.0) or 0)
    is_cached = seen >= WORTH_CACHING * len(train)
    with TemporaryDirectory() as folder, keeping_memory(), sharing_cores(lambda _: None):
        setup = TrainingSetup(
            TrainingData(few_images, None, ()), RunFolder(Path(folder)), device=device
        )
        images = cache_images(
            few_images,
            recipe.training.cache if is_cached else 0.0,
            lambda _: None,
            shorter_side=cache_side or None,
        )
        training, batches = build_training(recipe, images, setup, dry_run=True)
        step = seconds_per_step(training, batches, seconds)
    return machine.with_measured_step(step, batch)


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
