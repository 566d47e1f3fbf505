"""Freeze parts of a detector, as DSSD does in the first of two stages (Fu et al. 2017, §3.3)."""

from collections.abc import Iterator, Sequence

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from singleshot.detectors.detector import TrainableDetector
from singleshot.errors import RecipeError

__all__ = ["freeze", "set_training_mode"]

BATCH_NORM = "batch_norm"  # every batch norm, whichever part it is in


def freeze(model: TrainableDetector, frozen: Sequence[str]) -> None:
    """Turn off the gradients of the parts in `training.frozen`.

    Raises RecipeError for a part that the detector has not, or if none is left to train.
    """
    for module in _frozen_modules(model, frozen):
        module.requires_grad_(False)
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise RecipeError(
            f"training.frozen = {list(frozen)}: no parameters are left to train; leave a part out"
        )


def set_training_mode(model: TrainableDetector, frozen: Sequence[str]) -> None:
    """Set training mode, except for frozen parts: their batch norms keep their statistics.

    As Caffe's `use_global_stats` in the original.
    """
    model.train()
    for module in _frozen_modules(model, frozen):
        module.eval()


def _frozen_modules(model: TrainableDetector, frozen: Sequence[str]) -> Iterator[nn.Module]:
    parts = model.parts
    for name in frozen:
        if name == BATCH_NORM:
            yield from (module for module in model.modules() if isinstance(module, _BatchNorm))
        elif name in parts:
            yield parts[name]
        else:
            raise RecipeError(
                f"training.frozen = {list(frozen)}: a detector of the kind {model.settings.kind!r} "
                f"has no part {name!r}, but {', '.join([*parts, BATCH_NORM])}"
            )
