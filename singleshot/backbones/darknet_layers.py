"""Layers of Darknet's networks (pjreddie/darknet, src/*_layer.c)."""

from collections.abc import Callable, Mapping
from functools import partial

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from singleshot.backbones.settings import Convolutional, Maxpool

__all__ = ["DarknetConvolution", "DarknetPool", "SpaceToDepth", "space_to_depth"]

LEAK = 0.1
# Added to a variance by its GPU kernels (blas_kernels.cu), with which all its published weights
# were trained and evaluated; on a CPU it adds 1e-6 to the deviation instead (blas.c).
EPSILON = 1e-5

_ACTIVATIONS: Mapping[str, Callable[[], nn.Module]] = {
    "leaky": partial(nn.LeakyReLU, LEAK, inplace=True),
    "relu": partial(nn.ReLU, inplace=True),
    "linear": nn.Identity,
}


class DarknetConvolution(nn.Module):
    """A convolution, a batch norm if the layer has one, and an activation."""

    def __init__(self, in_channels: int, layer: Convolutional) -> None:
        """Weights are normally distributed with σ = √(2 / fan-in), as Darknet initialises them."""
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
        self.activation = _ACTIVATIONS[layer.activation]()
        nn.init.kaiming_normal_(self.convolution.weight)
        nn.init.zeros_(self.bias)

    @property
    def bias(self) -> Tensor:
        """The bias of each channel: the batch norm's, or the convolution's."""
        bias = self.convolution.bias if self.norm is None else self.norm.bias
        assert bias is not None
        return bias

    def forward(self, features: Float[Tensor, "b c h w"]) -> Float[Tensor, "b channels rows cols"]:
        """Compute a feature map."""
        outputs = self.convolution(features)
        if self.norm is not None:
            outputs = self.norm(outputs)
        activated: Tensor = self.activation(outputs)
        return activated


class DarknetPool(nn.Module):
    """Max pooling with `padding` rows and columns in all; the smaller half of them comes before.

    A window of 2 × 2 with stride 2 covers a last odd row alone; with stride 1 the map keeps its
    size (maxpool_layer.c).
    """

    def __init__(self, layer: Maxpool) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, features: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c rows columns"]:
        """Pool to (side + padding - kernel) / stride + 1 rows and columns, rounded down."""
        before = self.layer.padding // 2
        below, right = (self._padding_after(side) for side in features.shape[-2:])
        if before or below or right:
            features = F.pad(features, (before, right, before, below), value=-torch.inf)
        return F.max_pool2d(features, self.layer.kernel, self.layer.stride)

    def _padding_after(self, side: int) -> int:
        """Count the padding at the end that completes the last window; negative: cut off."""
        layer = self.layer
        last = (side + layer.padding - layer.kernel) // layer.stride * layer.stride
        return max(last + layer.kernel - layer.padding // 2 - side, 0)


class SpaceToDepth(nn.Module):
    """Rearranges a finer map to the size of a coarser one, with more channels."""

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, features: Float[Tensor, "b c h w"]) -> Float[Tensor, "b channels rows cols"]:
        """Rearrange into stride² times as many channels, in Darknet's order."""
        return space_to_depth(features, self.stride)


def space_to_depth(
    features: Float[Tensor, "b c h w"], stride: int
) -> Float[Tensor, "b channels rows cols"]:
    """Rearrange as Darknet's `reorg_cpu` (blas.c) with `forward` = 0, which its forward pass calls.

    It reads the numbers as if they were a map of c / stride² channels, stride times as high and
    as wide, cuts that map into squares, and treats the result as a map of c · stride² channels, so
    that neighbours do not stay neighbours. Published weights depend on it. `c` divides by stride²,
    `h` and `w` by the stride.
    """
    batch, channels, height, width = features.shape
    finer = features.reshape(batch, channels // stride**2, height, stride, width, stride)
    squares = finer.permute(0, 3, 5, 1, 2, 4)
    return squares.reshape(batch, channels * stride**2, height // stride, width // stride)
