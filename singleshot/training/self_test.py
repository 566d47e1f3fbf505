"""Whether a training can work at all, found out before it takes hours.

A detector that cannot learn one small batch by heart will learn nothing (Karpathy 2019, "A Recipe
for Training Neural Networks": "overfit a single batch of only a few examples").
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor

from singleshot.boxes.geometry import area
from singleshot.checkpoints.checkpoint import Checkpoint
from singleshot.detectors.detector import TrainableDetector
from singleshot.detectors.ssd.network import Ssd
from singleshot.errors import RunFailed, some_of
from singleshot.runs.callbacks import OnMessage
from singleshot.structures import Batch
from singleshot.training.frozen import train_what_learns
from singleshot.training.loop import Training
from singleshot.training.optimizers import set_learning_rate

__all__ = ["learn_by_heart", "require_equal_after_loading"]

STEPS = 60
WARM_UP = 10  # steps up to the full rate: a new optimizer's first ones are wild
LEARNED = 0.2  # of the first loss
SAY_EVERY = 10


def learn_by_heart(training: Training, batch: Batch, on_message: OnMessage) -> int:
    """Steps until the loss on this one batch is a fifth of the first; at most 60.

    `training` is one to throw away afterwards. Raises RunFailed, saying what to look at, when the
    loss does not get there or is not finite.
    """
    train_what_learns(training.model, training.recipe.training.frozen)
    curve: list[float] = []
    for step in range(STEPS + 1):
        set_learning_rate(training.optimizer, min((step + 1) / WARM_UP, 1.0))
        losses = training.find_gradients(batch)
        curve.append(float(losses.total))
        if not math.isfinite(curve[-1]):
            raise RunFailed(f"self-test: the loss is not finite {advice(training, batch, curve)}")
        if curve[-1] < LEARNED * curve[0]:
            on_message(f"self-test: {len(batch)} images learned by heart, {described(curve)}")
            return step
        training.clip_gradients()
        training.optimizer.step()
    where = advice(training, batch, curve)
    raise RunFailed(f"self-test: {len(batch)} images were not learned by heart {where}")


def described(curve: Sequence[float]) -> str:
    """The loss every ten steps, and at the last."""
    shown = [f"{loss:.3g}" for loss in curve[:-1:SAY_EVERY]]
    return f"loss {' '.join(shown)} and after {len(curve) - 1} steps {curve[-1]:.3g}"


def advice(training: Training, batch: Batch, curve: Sequence[float]) -> str:
    """What a person should look at."""
    settings = training.recipe.training
    learning = sum(parameter.numel() for parameter in training.learning)
    return (
        f"({described(curve)}; below {LEARNED * curve[0]:.3g} was expected). Look at "
        f"training.learning_rate = {settings.learning_rate:g}; at what learns: {learning:,} "
        f"numbers, training.frozen = {list(settings.frozen)}; at {sizes(training.model, batch)}; "
        f"and at the boxes of {some_of(list(dict.fromkeys(batch.names)))}"
    )


def sizes(model: TrainableDetector, batch: Batch) -> str:
    """How large the objects are, and what an SSD has to find them."""
    boxes = torch.cat([truth.boxes for truth in batch.truths])
    objects = f"the sizes of the objects ({spread(area(boxes).sqrt())})"
    if not isinstance(model, Ssd):
        return objects
    height, width = model.settings.input
    priors = (model.priors_cxcywh_unit[:, 2:].prod(dim=1) * height * width).sqrt()
    return f"{objects} and priors ({spread(priors)})"


def spread(values: Tensor) -> str:
    low, middle, high = (float(value) for value in (values.min(), values.median(), values.max()))
    return f"{low:.0f} to {high:.0f} pixels of the input, half of them below {middle:.0f}"


def require_equal_after_loading(
    training: Training, batch: Batch, load: Callable[[Path], TrainableDetector]
) -> None:
    """Save a checkpoint and load it; RunFailed when it does not compute exactly the same."""
    model = training.model.eval()
    with TemporaryDirectory() as folder:
        path = Path(folder) / "self_test.safetensors"
        weights = model.state_dict()
        Checkpoint(weights, training.recipe, model.class_names, metrics={}).save(path)
        loaded = load(path).to(training.device).eval()
    images = batch.images.to(training.device)
    pairs = zip(model.detect(list(images)), loaded.detect(list(images)), strict=True)
    if not all(torch.equal(one.boxes, other.boxes) for one, other in pairs):
        raise RunFailed(
            "self-test: a checkpoint that was saved and loaded computes something else than the "
            "model it was made of; this is a fault of singleshot or of a library that the detector "
            "comes from: please report it with the recipe"
        )
