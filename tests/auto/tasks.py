"""Tasks of made-up facts, for the rules."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from singleshot.auto.facts import DataFacts
from singleshot.auto.task import LearningRate, StartFacts, Task, TrainingMachine
from singleshot.recipes.load import load_recipe

__all__ = ["facts", "start", "task"]


def facts(sides=None, ratios=None, **changes):
    """Facts of 300 images of 640 x 480 with squares of a fifth of their side.

    `ratios` are those in a square image.
    """
    sides = np.full(100, 0.2) if sides is None else sides
    ratios = np.full(100, 0.75) if ratios is None else ratios
    width, height = sides * np.sqrt(ratios), sides / np.sqrt(ratios)
    corner = np.zeros(100)
    made = DataFacts(
        num_images=300,
        num_empty=0,
        objects_per_class={"cat": 900},
        image_sizes=np.tile([480, 640], (300, 1)),
        boxes=np.stack([corner, corner, width, height], axis=1),
        weights=np.full(100, 0.01),
        images_per_class={"cat": 290},
        num_validation=100,
        num_validation_objects=500,
    )
    return replace(made, **changes)


def task(seconds=None, start=None, given=None, device="cpu", cores=2, **changes):
    """Make a task on two cores, with other facts where they are given."""
    return Task(facts(**changes), TrainingMachine(device, cores), seconds, start, given or {})


def start(**changes):
    """Facts of a detector with the base recipe's network."""
    recipe = load_recipe("ssdlite320-lite0")
    made = StartFacts(
        source="runs/coco",
        model=recipe.model,
        macs=820_000_000,
        rate=LearningRate("fine_tuning.training.learning_rate", 0.005, "sgd", 8),
        knows_classes=False,
        has_tables=True,
        like_base=True,
    )
    return replace(made, **changes)
