"""`--self-test`: whether data, model and training fit together, before it takes hours."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from singleshot.checkpoints.checkpoint import Checkpoint, detector_from
from singleshot.data.augment.settings import (
    AugmentationSettings,
    CropSettings,
    ExpandSettings,
    PhotometricSettings,
)
from singleshot.data.batching import Draw
from singleshot.data.dataset import DataSet
from singleshot.data.splits import TrainingData
from singleshot.detectors.detector import TrainableDetector
from singleshot.errors import RunFailed, some_of
from singleshot.evaluation.evaluate_predictions import evaluate_predictions
from singleshot.metrics import Predictions, Protocol
from singleshot.runs.callbacks import OnMessage
from singleshot.structures import Batch
from singleshot.training.build import build_images
from singleshot.training.loop import Training
from singleshot.training.self_test import learn_by_heart, require_equal_after_loading

__all__ = ["require_truth_scores_one", "self_test", "truth_as_predictions"]

IMAGES = 8  # to learn by heart, at most
COUNTED = 100  # detections of an image that COCO's rules look at
UNCHANGED = AugmentationSettings(
    photometric=PhotometricSettings(probability=0),
    expand=ExpandSettings(probability=0),
    crop=CropSettings(probability=0),
    flip=0,
)


def self_test(training: Training, data: TrainingData, on_message: OnMessage) -> None:
    """Three tests; `training` is one to throw away afterwards.

    Raises RunFailed, with what to look at, when one fails.
    """
    measured_on = data.train if data.validation is None else data.validation
    require_truth_scores_one(measured_on)
    batch = some_images(training, data.train)
    learn_by_heart(training, batch, on_message)
    require_equal_after_loading(training, batch, load)
    on_message(
        "self-test passed: a batch is learned by heart, the annotations as predictions score 1, "
        "and a checkpoint computes the same after saving and loading"
    )


def load(path: Path) -> TrainableDetector:
    return detector_from(Checkpoint.load(path), place=str(path))


def some_images(training: Training, train: DataSet) -> Batch:
    """A batch of unvaried images with objects, from all over the data set."""
    lengths = train.ends.diff(prepend=train.ends.new_zeros(1))
    with_objects = lengths.nonzero().flatten().tolist()
    number = min(IMAGES, training.recipe.training.batch_size, len(with_objects))
    chosen = [with_objects[place * len(with_objects) // number] for place in range(number)]
    recipe = training.recipe.model_copy(update={"augmentation": UNCHANGED})
    images = build_images(recipe, train, training.model)
    return Batch.of([images[Draw(epoch=0, index=index, clean=True)] for index in chosen])


def require_truth_scores_one(dataset: DataSet) -> None:
    """Raises RunFailed unless the annotations, taken as predictions, are perfect."""
    lengths = dataset.ends.diff(prepend=dataset.ends.new_zeros(1))
    countable = (lengths <= COUNTED).nonzero().flatten().tolist()
    counted = dataset.subset(countable, description=dataset.description)
    report = evaluate_predictions(truth_as_predictions(counted), counted, protocol=Protocol.COCO)
    reached = report.mean_average_precision
    if reached is not None and reached < 1 - 1e-9:
        low = [
            name
            for name, numbers in report.per_class.items()
            if numbers.truths and (numbers.average_precision or 0.0) < 1 - 1e-9
        ]
        raise RunFailed(
            f"self-test: the annotations of {dataset.description}, taken as predictions, score "
            f"{reached:.3f} instead of 1. Look at the boxes of {some_of(low)}: some have no area, "
            f"or lie outside their images"
        )


def truth_as_predictions(dataset: DataSet) -> Predictions:
    """Every object but no crowd, which is a place rather than an object; no two scores equal."""
    objects = ~dataset.truths.crowd.numpy()
    images = np.repeat(np.arange(len(dataset)), np.diff(dataset.ends.numpy(), prepend=0))
    return Predictions(
        images=images[objects],
        boxes=dataset.truths.boxes.double().numpy()[objects],
        scores=np.linspace(0.99, 0.01, int(objects.sum())),
        labels=dataset.truths.labels.numpy()[objects],
    )
