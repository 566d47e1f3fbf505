"""Fold batch norms with frozen statistics into the convolutions before them.

A folded network computes the same with less memory traffic, and trains on small batches.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.utils import fuse_conv_bn_weights
from torchvision.ops import FrozenBatchNorm2d

__all__ = ["fold_batch_norm", "frozen_batch_norm", "replace_module"]


def fold_batch_norm(
    network: nn.Module, example: Tensor, *, where: Callable[[str], bool] = lambda _: True
) -> None:
    """Replace each batch norm that `where` accepts by name and that directly follows a convolution.

    The order is observed in a trial run over `example`. The activation that a batch norm includes
    (timm's `BatchNormAct2d`) stays in its place.
    """
    for convolution, name in _following_norms(network, example).items():
        if where(name):
            _fold(network, convolution, name)


@torch.no_grad()
def _following_norms(network: nn.Module, example: Tensor) -> dict[nn.Conv2d, str]:
    """Find the batch norm whose input is the output of each convolution, by name."""
    names = {module: name for name, module in network.named_modules()}
    # Keeps the outputs alive, so that no other tensor can get the same identity.
    outputs: list[tuple[Tensor, nn.Conv2d]] = []
    norms: dict[nn.Conv2d, str] = {}

    def record(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        if isinstance(module, nn.Conv2d):
            outputs.append((output, module))
        else:
            norms.update(
                (source, names[module]) for tensor, source in outputs if tensor is inputs[0]
            )

    kinds = (nn.Conv2d, nn.BatchNorm2d)
    hooks = [m.register_forward_hook(record) for m in network.modules() if isinstance(m, kinds)]
    training = network.training
    network.eval()(example)
    network.train(training)
    for hook in hooks:
        hook.remove()
    return norms


def _fold(network: nn.Module, convolution: nn.Conv2d, name: str) -> None:
    norm = network.get_submodule(name)
    assert isinstance(norm, nn.BatchNorm2d)
    assert norm.running_mean is not None
    assert norm.running_var is not None
    convolution.weight, convolution.bias = fuse_conv_bn_weights(
        convolution.weight,
        convolution.bias,
        norm.running_mean,
        norm.running_var,
        norm.eps,
        norm.weight,
        norm.bias,
    )
    replace_module(network, name, getattr(norm, "act", nn.Identity()))


def frozen_batch_norm(norm: nn.BatchNorm2d) -> nn.Module:
    """Replace a batch norm by one with fixed scale and shift, and the same activation."""
    frozen = FrozenBatchNorm2d(norm.num_features, eps=norm.eps)
    frozen.load_state_dict(norm.state_dict())
    return nn.Sequential(frozen, getattr(norm, "act", nn.Identity()))


def replace_module(network: nn.Module, name: str, module: nn.Module) -> None:
    """Replace the module with this dotted name."""
    parent, _, child = name.rpartition(".")
    setattr(network.get_submodule(parent), child, module)
