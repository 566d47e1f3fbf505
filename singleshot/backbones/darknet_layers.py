"""What Darknet's networks are made of (pjreddie/darknet, src/*_layer.c)."""

from collections.abc import Callable, Mapping
from functools import partial

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from singleshot.backbones.darknet_settings import Convolutional, Maxpool

__all__ = ["DarknetConvolution", "DarknetPool", "Reorg", "reorganised"]

LEAK = 0.1
# What its GPU kernels add to a variance (blas_kernels.cu), which all its published weights were
# trained and judged with; on a processor it adds 1e-6 to the deviation instead (blas.c).
EPSILON = 1e-5

ACTIVATIONS: Mapping[str, Callable[[], nn.Module]] = {
    "leaky": partial(nn.LeakyReLU, LEAK, inplace=True),
    "relu": partial(nn.ReLU, inplace=True),
    "linear": nn.Identity,
}


class DarknetConvolution(nn.Module):
    """A convolution, a batch norm where there is one, and an activation where it is not linear."""

    def __init__(self, in_channels: int, layer: Convolutional) -> None:
        """Weights are normally distributed with σ = √(2 / fan-in), as Darknet's begin."""
        super().__init__()
        self.convolution = nn.Conv2d(
            in_channels,
            layer.channels,
            layer.kernel,
            layer.stride,
            layer.padding,
            groups=layer.groups,
            bias=not layer.batch_norm,
        )
        self.norm = nn.BatchNorm2d(layer.channels, eps=EPSILON) if layer.batch_norm else None
        self.activation = ACTIVATIONS[layer.activation]()
        nn.init.kaiming_normal_(self.convolution.weight)
        nn.init.zeros_(self.bias)

    @property
    def bias(self) -> Tensor:
        """What is added to each channel, whoever adds it."""
        found = self.convolution.bias if self.norm is None else self.norm.bias
        assert found is not None
        return found

    def forward(self, features: Float[Tensor, "b c h w"]) -> Float[Tensor, "b channels rows cols"]:
        """A feature map of its own channels."""
        found = self.convolution(features)
        if self.norm is not None:
            found = self.norm(found)
        activated: Tensor = self.activation(found)
        return activated


class DarknetPool(nn.Module):
    """Max pooling with `padding` rows and columns in all: the smaller half of them comes before.

    A window of 2 × 2 with stride 2 sees a last odd row alone; with stride 1 the map keeps its size
    (maxpool_layer.c).
    """

    def __init__(self, layer: Maxpool) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, features: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c rows columns"]:
        """(side + padding - kernel) / stride + 1 rows and columns, rounded down."""
        before = self.layer.padding // 2
        below, right = (self.after(side) for side in features.shape[-2:])
        if before or below or right:
            features = F.pad(features, (before, right, before, below), value=-torch.inf)
        return F.max_pool2d(features, self.layer.kernel, self.layer.stride)

    def after(self, side: int) -> int:
        """What has to be added at the end, so that the last window is whole; less is cut off."""
        layer = self.layer
        last = (side + layer.padding - layer.kernel) // layer.stride * layer.stride
        return max(last + layer.kernel - layer.padding // 2 - side, 0)


class Reorg(nn.Module):
    """A finer map at the size of a coarser one."""

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, features: Float[Tensor, "b c h w"]) -> Float[Tensor, "b channels rows cols"]:
        """stride² times as many channels, in Darknet's order."""
        return reorganised(features, self.stride)


def reorganised(
    features: Float[Tensor, "b c h w"], stride: int
) -> Float[Tensor, "b channels rows cols"]:
    """Darknet's `reorg_cpu` (blas.c) with `forward` = 0, which the layer calls in its forward pass.

    It reads the numbers as if they were a map of c / stride² channels, stride times as high and
    as wide, takes that one apart into squares, and calls the result a map of c · stride² channels:
    neighbours do not stay neighbours. Trained weights expect it so. `c` divides by stride², `h`
    and `w` by the stride.
    """
    batch, channels, height, width = features.shape
    finer = features.reshape(batch, channels // stride**2, height, stride, width, stride)
    squares = finer.permute(0, 3, 5, 1, 2, 4)
    return squares.reshape(batch, channels * stride**2, height // stride, width // stride)
