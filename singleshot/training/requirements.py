"""Requirements of a training that can learn, checked before its run folder is begun."""

from __future__ import annotations

from collections import Counter

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from singleshot.data.dataset import DataSet
from singleshot.data.findings import KINDS, count_of
from singleshot.data.object_checks import check_objects
from singleshot.detectors.detector import TrainableDetector
from singleshot.errors import DataError, RecipeError, some_of
from singleshot.options import DataPaths, as_paths
from singleshot.recipes.training import TrainingSettings
from singleshot.runs.callbacks import OnMessage
from singleshot.training.frozen import set_training_mode
from singleshot.training.processes import Processes

__all__ = [
    "report_quick_check",
    "require_image_in_each_part",
    "require_images_for_batch_norm",
    "require_trainable_objects",
]


# Classes without objects have a message of their own; images without objects are meant to be there.
_QUICK_KINDS = ("annotated-twice", "two-classes", "tiny", "whole-image", "rare-class", "odd-size")


def require_trainable_objects(train: DataSet, on_message: OnMessage) -> None:
    """Report the classes without objects to train on; DataError where no class has any.

    Crowds are not trained on.
    """
    counts = torch.bincount(
        train.truths.labels[~train.truths.crowd], minlength=len(train.class_names)
    )
    if not counts.any():
        crowds = f", but {len(train.truths)} crowds" if len(train.truths) else ""
        raise DataError(
            f"{train.description}: no objects to train on in {len(train)} images{crowds}; "
            f"annotate some, or choose another split"
        )
    missing = [
        name for name, count in zip(train.class_names, counts.tolist(), strict=True) if not count
    ]
    if missing:
        on_message(
            f"{len(missing)} of {len(counts)} classes have no objects in the training images, and "
            f"will not be detected: {some_of(missing)}"
        )


def report_quick_check(
    train: DataSet, input: tuple[int, int], data: DataPaths, on_message: OnMessage
) -> None:
    """Report in one line what a check of boxes and classes finds, beyond what the reader notes.

    Args:
        train: the images to train on.
        input: (height, width) that they are resized to.
        data: the data sets that they come from.
        on_message: called with the line, if something is found.
    """
    counts = Counter(one.kind for one in check_objects(train, input=input))
    found = [KINDS[kind].describe(counts[kind]) for kind in _QUICK_KINDS if counts[kind]]
    if found:
        commands = " and ".join(f"singleshot data check {path}" for path in as_paths(data))
        on_message(
            f"checked {count_of(len(train), 'images')}: {', '.join(found)} (more: {commands})"
        )


def require_image_in_each_part(settings: TrainingSettings, processes: Processes) -> None:
    """Raise RecipeError unless each part of a batch, in each process, has an image."""
    if settings.batch_size // processes.world_size < settings.accumulate:
        raise RecipeError(
            f"training.batch_size = {settings.batch_size} is too few for {processes.world_size} "
            f"processes and training.accumulate = {settings.accumulate}: each part needs an image"
        )


def require_images_for_batch_norm(
    model: TrainableDetector, settings: TrainingSettings, processes: Processes
) -> None:
    """Raise RecipeError where a batch norm would have a single value of a channel to normalise.

    So it is with one image at a time on a level of 1 × 1: a value has no variance.
    """
    shares = processes.world_size * settings.accumulate
    shared = processes.is_distributed and settings.batch_norm == "synchronised"
    if settings.largest_batch or shared or settings.batch_size // shares > 1:
        return
    name = _norm_of_one_value(model, settings)
    if name is None:
        return
    grids = [level.grid for level in model.level_summaries()]
    where = f"level {grids.index((1, 1)) + 1} (1 × 1)" if (1, 1) in grids else "a map of 1 × 1"
    parts = f", in {shares} parts of one image at least," if shares > 1 else ""
    raise RecipeError(
        f"training.batch_size = {settings.batch_size}{parts} leaves batch norm one value of a "
        f"channel at {where}: {name}; use {2 * shares} or more, or keep the statistics: "
        'training.batch_norm = "frozen"'
    )


def _norm_of_one_value(model: TrainableDetector, settings: TrainingSettings) -> str | None:
    """Find a batch norm that is trained on one value of a channel; its name, or None."""
    set_training_mode(model, settings.frozen_parts)
    trained = {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, _BatchNorm) and module.training
    }
    model.eval()
    found: list[str] = []

    def record(name: str, features: Float[Tensor, "b c ..."]) -> None:
        if features.numel() == features.shape[1]:
            found.append(name)

    hooks = [
        module.register_forward_pre_hook(lambda _, inputs, name=name: record(name, *inputs))
        for name, module in trained.items()
    ]
    try:
        # Detection runs the network of every family, and leaves the statistics as they are.
        if hooks:
            height, width = model.settings.input
            model.detect([torch.zeros(3, height, width, dtype=torch.uint8)])
    finally:
        for hook in hooks:
            hook.remove()
    return next(iter(found), None)
