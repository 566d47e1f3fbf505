"""Initialisation of weights."""

import math

from torch import nn

__all__ = ["caffe_xavier", "small_convolution", "small_normal"]


def caffe_xavier(module: nn.Module) -> None:
    """Initialise as Caffe's "xavier" (`filler.hpp`): uniform within ±√(3 / fan-in), biases 0."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        reach = math.sqrt(3 / module.weight[0].numel())
        nn.init.uniform_(module.weight, -reach, reach)
        _zero_bias(module)


def small_normal(module: nn.Module) -> None:
    """Initialise as TensorFlow's SSDLite: normally distributed with σ = 0.03, biases 0."""
    if isinstance(module, nn.Conv2d):
        nn.init.normal_(module.weight, std=0.03)
        _zero_bias(module)


def small_convolution(in_channels: int, channels: int, *, bias: float = 0.0) -> nn.Conv2d:
    """Create a last layer, 1 × 1, whose first outputs are nearly `bias` everywhere.

    Weights are normally distributed with σ = 0.01, as in the code of Faster R-CNN and R-FCN.
    """
    layer = nn.Conv2d(in_channels, channels, 1)
    nn.init.normal_(layer.weight, std=0.01)
    assert layer.bias is not None
    nn.init.constant_(layer.bias, bias)
    return layer


def _zero_bias(module: nn.Conv2d | nn.ConvTranspose2d) -> None:
    if module.bias is not None:
        nn.init.zeros_(module.bias)
