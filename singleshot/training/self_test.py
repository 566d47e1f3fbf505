"""`--self-test`: check that data, model and training fit together, before they take hours.

A detector that cannot overfit one small batch will learn nothing (Karpathy 2019, "A Recipe for
Training Neural Networks": "overfit a single batch of only a few examples").
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from torch import Tensor

from singleshot.boxes.geometry import area
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
from singleshot.training.frozen import set_training_mode
from singleshot.training.loop import Training
from singleshot.training.optimizers import set_learning_rate

__all__ = [
    "overfit_batch",
    "require_equal_after_loading",
    "require_truth_scores_one",
    "self_test",
    "truth_as_predictions",
]

IMAGES = 8  # to overfit, at most
STEPS = 60
WARM_UP = 10  # steps up to the full rate: a new optimizer's first ones are wild
OVERFITTED = 0.2  # of the first loss
STEPS_BETWEEN_LOSSES = 10  # in messages

COUNTED = 100  # detections of an image that COCO's rules look at
UNCHANGED = AugmentationSettings(
    photometric=PhotometricSettings(probability=0),
    expand=ExpandSettings(probability=0),
    crop=CropSettings(probability=0),
    flip=0,
)


def self_test(training: Training, data: TrainingData, on_message: OnMessage) -> None:
    """Score the annotations, overfit a batch, reload a checkpoint; `training` is thrown away.

    Raises RunFailed, with what to look at, when one of these fails.
    """
    require_truth_scores_one(data.train if data.validation is None else data.validation)
    batch = _images_with_objects(training, data.train)
    overfit_batch(training, batch, on_message)
    require_equal_after_loading(training, batch)
    on_message(
        "self-test passed: one batch was overfitted, the annotations as predictions score 1, "
        "and a checkpoint computes the same after saving and loading"
    )


def _images_with_objects(training: Training, train: DataSet) -> Batch:
    """Batch images with objects, without augmentation, from all over the data set."""
    lengths = train.objects_per_image
    with_objects = lengths.nonzero().flatten().tolist()
    settings = training.recipe.training
    number = min(IMAGES, settings.batch_size, len(with_objects))
    # Batch norm needs two images in each part; few are repeated.
    number = max(number, 2 * settings.accumulate)
    chosen = [with_objects[place * len(with_objects) // number] for place in range(number)]
    recipe = training.recipe.model_copy(update={"augmentation": UNCHANGED})
    images = build_images(recipe, train, training.model)
    return Batch.of([images[Draw(epoch=0, index=index, clean=True)] for index in chosen])


def require_truth_scores_one(dataset: DataSet) -> None:
    """Raise RunFailed unless the annotations, taken as predictions, have an AP of 1."""
    lengths = dataset.objects_per_image
    countable = (lengths <= COUNTED).nonzero().flatten().tolist()
    counted = dataset.subset(countable, description=dataset.description)
    report = evaluate_predictions(truth_as_predictions(counted), counted, protocol=Protocol.COCO)
    score = report.mean_average_precision
    if score is not None and score < 1 - 1e-9:
        low = [
            name
            for name, numbers in report.per_class.items()
            if numbers.truths and (numbers.average_precision or 0.0) < 1 - 1e-9
        ]
        raise RunFailed(
            f"self-test: the annotations of {dataset.description}, taken as predictions, score "
            f"{score:.3f} instead of 1. Look at the boxes of {some_of(low)}: some have no area, "
            f"or lie outside their images"
        )


def truth_as_predictions(dataset: DataSet) -> Predictions:
    """Turn every object but crowds into a prediction; no two scores are equal."""
    objects = ~dataset.truths.crowd.numpy()
    images = np.repeat(np.arange(len(dataset)), np.diff(dataset.ends.numpy(), prepend=0))
    return Predictions(
        images=images[objects],
        boxes=dataset.truths.boxes.double().numpy()[objects],
        scores=np.linspace(0.99, 0.01, int(objects.sum())),
        labels=dataset.truths.labels.numpy()[objects],
    )


def overfit_batch(training: Training, batch: Batch, on_message: OnMessage) -> int:
    """Count the steps until the loss on one batch is a fifth of the first; at most 60.

    `training` has to be thrown away afterwards. Raises RunFailed, with what to look at, when the
    loss does not get there or is not finite.
    """
    set_training_mode(training.model, training.recipe.training.frozen_parts)
    curve: list[float] = []
    for step in range(STEPS + 1):
        set_learning_rate(training.optimizer, min((step + 1) / WARM_UP, 1.0))
        losses = training.find_gradients(batch)
        curve.append(float(losses.total))
        if not math.isfinite(curve[-1]):
            raise RunFailed(f"self-test: the loss is not finite {_advice(training, batch, curve)}")
        if curve[-1] < OVERFITTED * curve[0]:
            on_message(f"self-test: {len(batch)} images overfitted, {_describe_curve(curve)}")
            return step
        training.clip_gradients()
        training.optimizer.step()
    advice = _advice(training, batch, curve)
    raise RunFailed(f"self-test: {len(batch)} images could not be overfitted {advice}")


def _describe_curve(curve: Sequence[float]) -> str:
    """Format the loss of every tenth step, and of the last."""
    losses = " ".join(f"{loss:.3g}" for loss in curve[:-1:STEPS_BETWEEN_LOSSES])
    return f"loss {losses} and after {len(curve) - 1} steps {curve[-1]:.3g}"


def _advice(training: Training, batch: Batch, curve: Sequence[float]) -> str:
    """List what to look at when a batch cannot be overfitted."""
    settings = training.recipe.training
    num_trained = sum(parameter.numel() for parameter in training.trainable)
    return (
        f"({_describe_curve(curve)}; below {OVERFITTED * curve[0]:.3g} was expected). Look at "
        f"training.learning_rate = {settings.learning_rate:g}; at what is trained: {num_trained:,} "
        f"numbers, training.frozen = {list(settings.frozen)}; at "
        f"{_describe_sizes(training.model, batch)}; and at the boxes of "
        f"{some_of(list(dict.fromkeys(batch.names)))}"
    )


def _describe_sizes(model: TrainableDetector, batch: Batch) -> str:
    """Describe the sizes of the objects, and of the detector's priors if it has some."""
    boxes = torch.cat([truth.boxes for truth in batch.truths])
    objects = f"the sizes of the objects ({_describe_range(area(boxes).sqrt())})"
    layout = model.prior_layout()
    if layout is None:
        return objects
    return f"{objects} and priors ({_describe_range(area(layout.boxes).sqrt())})"


def _describe_range(values: Tensor) -> str:
    low, middle, high = (float(value) for value in (values.min(), values.median(), values.max()))
    return f"{low:.0f} to {high:.0f} pixels of the input, half of them below {middle:.0f}"


def require_equal_after_loading(training: Training, batch: Batch) -> None:
    """Save and load a checkpoint; RunFailed when it does not detect exactly the same boxes."""
    model = training.model.eval()
    with TemporaryDirectory() as folder:
        path = Path(folder) / "self_test.safetensors"
        weights = model.state_dict()
        Checkpoint(weights, training.recipe, model.class_names, metrics={}).save(path)
        loaded = detector_from(Checkpoint.load(path), source=str(path))
    loaded = loaded.to(training.device).eval()
    images = batch.images.to(training.device)
    pairs = zip(model.detect(list(images)), loaded.detect(list(images)), strict=True)
    if not all(torch.equal(one.boxes, other.boxes) for one, other in pairs):
        raise RunFailed(
            "self-test: a checkpoint that was saved and loaded detects other boxes than the model "
            "it was made of; this is a bug of singleshot or of a library that the detector comes "
            "from: please report it with the recipe"
        )
