"""A convolution that takes the place of a plain one, with its parameters."""

from __future__ import annotations

from typing import NamedTuple

import torch.nn.functional as F
from jaxtyping import Float
from timm.layers import Conv2dSame
from timm.layers.padding import get_same_padding
from torch import Tensor, nn

__all__ = ["FasterConvolution", "Padding", "is_plain", "with_symmetric_padding"]


class Padding(NamedTuple):
    """Rows and columns of zeros around a feature map."""

    top: int
    bottom: int
    left: int
    right: int


def with_symmetric_padding(
    weight: Float[Tensor, "channels group kh kw"], padding: Padding
) -> tuple[Float[Tensor, "channels group rows columns"], tuple[int, int]]:
    """Return a weight, and padding on both sides, of the same convolution.

    Where TensorFlow pads more after a map than before it, the weight gets as many zeros before:
    PyTorch can only pad both sides alike, and would have to copy the map.
    """
    top, bottom, left, right = padding
    if top == bottom and left == right:
        return weight, (top, left)
    return F.pad(weight, (right - left, 0, bottom - top, 0)), (bottom, right)


def is_plain(convolution: nn.Module) -> bool:
    """Return whether this is torch's convolution or timm's `Conv2dSame`, with zeros around."""
    return (
        type(convolution) in {nn.Conv2d, Conv2dSame}
        and isinstance(convolution, nn.Conv2d)
        and convolution.dilation == (1, 1)
        and convolution.padding_mode == "zeros"
        and not isinstance(convolution.padding, str)
    )


class FasterConvolution(nn.Conv2d):
    """A convolution with the parameters of a plain one."""

    def __init__(self, plain: nn.Conv2d) -> None:
        super().__init__(
            plain.in_channels,
            plain.out_channels,
            plain.kernel_size,  # type: ignore[arg-type]
            plain.stride,  # type: ignore[arg-type]
            plain.padding,  # type: ignore[arg-type]
            groups=plain.groups,
            bias=plain.bias is not None,
            device="meta",
        )
        # The same tensors: an optimizer or an average may refer to them already.
        self.weight, self.bias = plain.weight, plain.bias
        self.pads_as_tensorflow = isinstance(plain, Conv2dSame)
        self.train(plain.training)

    def padding_of(self, input: Float[Tensor, "b c h w"]) -> Padding:
        """Find the padding of a feature map; TensorFlow's depends on its size."""
        if not self.pads_as_tensorflow:
            above, beside = int(self.padding[0]), int(self.padding[1])
            return Padding(above, above, beside, beside)
        rows, columns = (
            get_same_padding(*sizes, 1)
            for sizes in zip(input.shape[-2:], self.kernel_size, self.stride, strict=True)
        )
        return Padding(rows // 2, rows - rows // 2, columns // 2, columns - columns // 2)
