"""Quantisation-aware fine-tuning: what `--quantize` changes in a recipe, and the first ranges."""

from __future__ import annotations

from collections.abc import Mapping

from singleshot.data.batching import Images
from singleshot.detectors.common.fake_quantization import observing_ranges
from singleshot.detectors.detector import TrainableDetector
from singleshot.recipes.schema import Recipe

__all__ = ["observe_ranges", "quantization_overrides"]

EPOCHS = 5
LEARNING_RATE = 0.01  # of the recipe's
NUM_IMAGES = 32  # from which the first ranges are
AT_ONCE = 4


def quantization_overrides(recipe: Recipe, given: Mapping[str, object]) -> dict[str, object]:
    """Return the values of a recipe's keys that fine-tune a detector with fake quantisation.

    A hundredth of the learning rate for a few epochs: weights only move to values that int8 has.
    Batch norm keeps the statistics that are folded. Averages of weights would be values that int8
    has not, and bfloat16 has fewer digits than the rounding that is learned.

    Args:
        recipe: the recipe as it is.
        given: values by key that a user gave; they stay.
    """
    training = recipe.training
    changes: dict[str, object] = {
        "model.quantization.weights": "per-channel",
        # The rate is a part of the recipe's, so its optimizer and weight decay belong to it.
        "training.optimizer": training.optimizer,
        "training.weight_decay": training.weight_decay,
        "training.learning_rate": LEARNING_RATE * training.learning_rate,
        "training.epochs": EPOCHS,
        "training.schedule.warm_up": 0,
        "training.average_decay": 0.0,
        "training.batch_norm": "frozen",
        "training.precision": "float32",
        "training.validate_every": 1,
    }
    if "training.steps" in given:
        del changes["training.epochs"]
    return {**changes, **given}


def observe_ranges(detector: TrainableDetector, images: Images) -> None:
    """Find the ranges of feature maps on images from all over a data set, as detection has them."""
    number = min(NUM_IMAGES, len(images))
    indices = [index * len(images) // number for index in range(number)]
    with observing_ranges(detector):
        for first in range(0, number, AT_ONCE):
            detector.detect([images[index].image for index in indices[first : first + AT_ONCE]])
