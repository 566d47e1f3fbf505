"""Parts of a detector that do not learn: DSSD is trained in two stages (Fu et al. 2017, §3.3)."""

from collections.abc import Iterator, Sequence

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from singleshot.errors import RecipeError
from singleshot.models.ssd.network import Ssd

__all__ = ["freeze", "train_what_learns"]


def freeze(model: Ssd, frozen: Sequence[str]) -> None:
    """Keep gradients from the parts in `training.frozen`; RecipeError if no part is left."""
    for module in frozen_modules(model, frozen):
        module.requires_grad_(False)
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise RecipeError(
            f"training.frozen = {list(frozen)}: nothing is left that learns; leave a part out"
        )


def train_what_learns(model: Ssd, frozen: Sequence[str]) -> None:
    """Training mode, but for frozen parts: their batch norms use the statistics they have.

    As Caffe's `use_global_stats` in the original.
    """
    model.train()
    for module in frozen_modules(model, frozen):
        module.eval()


def frozen_modules(model: Ssd, frozen: Sequence[str]) -> Iterator[nn.Module]:
    parts = {
        "backbone": model.backbone,
        "extra": model.pyramid.extra,
        "top_down": model.pyramid.top_down,
        "heads": model.heads,
    }
    for name in frozen:
        if name == "batch_norm":
            yield from (module for module in model.modules() if isinstance(module, _BatchNorm))
        else:
            yield parts[name]
