"""Parts of a detector that do not learn: DSSD is trained in two stages (Fu et al. 2017, §3.3)."""

from collections.abc import Iterator, Sequence

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from singleshot.detectors.detector import TrainableDetector
from singleshot.errors import RecipeError

__all__ = ["freeze", "train_what_learns"]


def freeze(model: TrainableDetector, frozen: Sequence[str]) -> None:
    """Keep gradients from the parts in `training.frozen`; RecipeError if no part is left."""
    for module in frozen_modules(model, frozen):
        module.requires_grad_(False)
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise RecipeError(
            f"training.frozen = {list(frozen)}: nothing is left that learns; leave a part out"
        )


def train_what_learns(model: TrainableDetector, frozen: Sequence[str]) -> None:
    """Training mode, but for frozen parts: their batch norms use the statistics they have.

    As Caffe's `use_global_stats` in the original.
    """
    model.train()
    for module in frozen_modules(model, frozen):
        module.eval()


def frozen_modules(model: TrainableDetector, frozen: Sequence[str]) -> Iterator[nn.Module]:
    for name in frozen:
        if name == "batch_norm":
            yield from (module for module in model.modules() if isinstance(module, _BatchNorm))
        elif name in model.parts:
            yield model.parts[name]
        else:
            raise RecipeError(
                f"training.frozen = {list(frozen)}: a detector of the kind {model.settings.kind!r} "
                f"has no part {name!r}, but {', '.join(model.parts)}"
            )
