"""Does training work on a device? Resuming, and two epochs on a small data set."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from benchmarks.gpu_checks import CPU, Finding, Placement
from singleshot.data.dataset import DataSet
from singleshot.data.opening import open_dataset
from singleshot.data.splits import TrainingData
from singleshot.recipes.load import load_recipe
from singleshot.runs.folder import RunFolder
from singleshot.structures import Truth
from singleshot.training.build import TrainingSetup, build_training
from singleshot.training.frozen import set_training_mode
from singleshot.training.loop import Training
from singleshot.training.processes import ALONE
from singleshot.training.validation import validation_on

__all__ = ["RECIPE", "check_resume", "check_two_epochs", "data_splits", "draw_shapes"]

RECIPE = "ssdlite320-lite0"
STEPS = 3  # before a training is left, and after it is resumed
COLOURS = {"circle": (200, 60, 60), "square": (60, 60, 200)}
SIDE, NUM_TRAIN, NUM_TEST = 160, 480, 60

# Of the length of the training's path, by SGD: first steps of AdamW are of the same length for any
# gradient, so that rounding may turn one around. On the CPU resuming is exact; a GPU adds up in an
# order that differs from run to run, and six steps of a fresh network enlarge the difference.
RESUMED = {"cpu": 0.0, "cuda": 0.1}
AP50_GAIN = 0.05  # over the untrained network


def check_resume(images: DataSet, overrides: Mapping[str, object], placement: Placement) -> Finding:
    """Compare the weights after some steps with those where the training was left in between."""
    steps: dict[str, object] = {
        "training.steps": 2 * STEPS,
        "training.batch_size": 4,
        "training.workers": 0,
        "training.precision": "float32",
        "training.optimizer": "sgd",
    }
    recipe = load_recipe(RECIPE, {**overrides, **steps})
    data = TrainingData(images, None, ())
    with TemporaryDirectory() as name:
        setup = TrainingSetup(data, RunFolder(Path(name)), device=placement.device)
        training, batches = build_training(recipe, images, setup)
        start = weights_of(training)
        drawn = iter(batches)
        take_steps(training, drawn, STEPS)
        training.save_state()
        take_steps(training, drawn, STEPS)
        expected = weights_of(training)
        again = TrainingSetup(data, RunFolder(Path(name)), resume=True, device=placement.device)
        resumed, batches = build_training(recipe, images, again)
        take_steps(resumed, iter(batches), STEPS)
        found = weights_of(resumed)
    value = float((found - expected).norm() / (expected - start).norm())
    return Finding(value, RESUMED.get(placement.device.type, RESUMED["cuda"]))


def check_two_epochs(
    train: DataSet, test: DataSet, overrides: Mapping[str, object], placement: Placement
) -> Finding:
    """Train two epochs with the default precision, and compare AP50 with the untrained network."""
    recipe = load_recipe(RECIPE, {**overrides, "training.epochs": 2})
    evaluate = validation_on(test, ALONE)
    with TemporaryDirectory() as name:
        setup = TrainingSetup(
            TrainingData(train, None, ()), RunFolder(Path(name)), device=placement.device
        )
        training, batches = build_training(recipe, train, setup)
        before = evaluate(training.average.model, lambda: None).AP50
        take_steps(training, iter(batches), training.progress.num_steps)
        training.monitor.record()  # raises at a loss that is not finite
        after = evaluate(training.average.model, lambda: None).AP50
    note = f"AP50 {before:.3f} before, {after:.3f} after {training.progress.step} steps"
    return Finding(after - before, AP50_GAIN, at_least=True, note=f"{note}, {training.precision}")


def take_steps(training: Training, batches: object, number: int) -> None:
    """Take the next steps, as the training loop does."""
    set_training_mode(training.model, training.recipe.training.frozen_parts)
    for _ in range(number):
        training.step(next(batches), 0.0)  # type: ignore[call-overload]


def weights_of(training: Training) -> Tensor:
    """Copy all weights to the CPU, after each other."""
    return torch.cat([p.detach().flatten().to(CPU, copy=True) for p in training.trainable])


def data_splits(data: Path | None, folder: Path) -> tuple[DataSet, DataSet]:
    """Open the training and test images of a data set, or make some."""
    if data is not None:
        return open_dataset(data, "trainval"), open_dataset(data, "test")
    return draw_shapes(folder / "train", NUM_TRAIN), draw_shapes(folder / "test", NUM_TEST, seed=1)


def draw_shapes(folder: Path, number: int, *, seed: int = 0, side: int = SIDE) -> DataSet:
    """Draw images of grey noise with a circle and a square each."""
    folder.mkdir(parents=True)
    random = np.random.default_rng(seed)
    images = []
    for index in range(number):
        noise = random.integers(170, 230, size=(side, side, 1), dtype=np.uint8)
        image = Image.fromarray(np.repeat(noise, 3, axis=2))
        draw, boxes = ImageDraw.Draw(image), []
        for column, (name, colour) in enumerate(COLOURS.items()):
            extent = int(random.integers(side // 5, side * 2 // 5))
            x = column * side // 2 + int(random.integers(side // 2 - extent))
            y = int(random.integers(side - extent))
            shape = draw.ellipse if name == "circle" else draw.rectangle
            shape((x, y, x + extent - 1, y + extent - 1), fill=colour)
            boxes.append([x, y, x + extent, y + extent])
        path = folder / f"{index}.png"
        image.save(path)
        truth = Truth.of(torch.tensor(boxes).float(), torch.arange(len(boxes)))
        images.append((path, truth))
    return DataSet.of(list(COLOURS), images, description="drawn shapes")
