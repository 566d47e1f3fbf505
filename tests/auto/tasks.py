"""Tasks of made-up facts, for the rules."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from singleshot.auto.facts import DataFacts
from singleshot.auto.task import StartFacts, Task, TrainingMachine
from singleshot.recipes.load import load_recipe

__all__ = ["facts", "start", "task"]


def facts(**changes):
    """Facts of 300 images of 640 x 480 with squares of a fifth of their side."""
    sides = np.full(100, 0.2)
    made = DataFacts(
        num_images=300,
        num_empty=0,
        class_counts={"cat": 900},
        image_sizes=np.tile([480, 640], (300, 1)),
        sides=sides,
        ratios=np.full(100, 0.75),  # in a square: squares in the image
        weights=np.full(100, 0.01),
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
        batch_size=8,
        rate_key="fine_tuning.training.learning_rate",
        rate=0.005,
        knows_classes=False,
        has_tables=True,
    )
    return replace(made, **changes)
