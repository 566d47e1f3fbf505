"""How weights start."""

import math

from torch import nn

__all__ = ["caffe_xavier", "small_convolution", "small_normal"]


def caffe_xavier(module: nn.Module) -> None:
    """Caffe's "xavier" (`filler.hpp`): uniform within ±√(3 / fan-in), biases 0."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        reach = math.sqrt(3 / module.weight[0].numel())
        nn.init.uniform_(module.weight, -reach, reach)
        no_bias(module)


def small_normal(module: nn.Module) -> None:
    """As TensorFlow's SSDLite: a normal distribution with σ = 0.03, biases 0."""
    if isinstance(module, nn.Conv2d):
        nn.init.normal_(module.weight, std=0.03)
        no_bias(module)


def small_convolution(in_channels: int, channels: int, *, bias: float = 0.0) -> nn.Conv2d:
    """A last layer, 1 × 1, that begins by saying nearly `bias` everywhere.

    Weights are normally distributed with σ = 0.01, as in the code of Faster R-CNN and R-FCN.
    """
    layer = nn.Conv2d(in_channels, channels, 1)
    nn.init.normal_(layer.weight, std=0.01)
    assert layer.bias is not None
    nn.init.constant_(layer.bias, bias)
    return layer


def no_bias(module: nn.Conv2d | nn.ConvTranspose2d) -> None:
    if module.bias is not None:
        nn.init.zeros_(module.bias)
