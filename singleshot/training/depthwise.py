"""Depthwise convolutions whose wide kernels get their gradient in two blocks of columns.

On processors oneDNN has a fast kernel for this gradient up to three columns; for 5 × 5 it takes
up to six times as long (benchmarks/results/training-step.md). The gradient of each column is a
sum of its own, so blocks of columns give the same numbers.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from singleshot.backbones.folding import replace_module
from singleshot.training.convolutions import (
    FasterConvolution,
    Padding,
    is_plain,
    with_symmetric_padding,
)

__all__ = ["WideDepthwise", "split_wide_gradients"]

BLOCK = 3  # columns of a kernel that oneDNN has a fast gradient for


def split_wide_gradients(model: nn.Module) -> None:
    """Replace depthwise convolutions of wide kernels; weights keep their names and values."""
    for name, module in list(model.named_modules()):
        if isinstance(module, nn.Conv2d) and is_wide_depthwise(module):
            replace_module(model, name, WideDepthwise(module))


def is_wide_depthwise(convolution: nn.Conv2d) -> bool:
    """Return whether this is a plain depthwise convolution, with columns for two blocks."""
    return (
        is_plain(convolution)
        and 1 < convolution.groups == convolution.in_channels == convolution.out_channels
        and BLOCK < convolution.kernel_size[1] <= 2 * BLOCK
    )


class WideDepthwise(FasterConvolution):
    """A depthwise convolution; only the gradient of its weight is computed in another way."""

    def forward(self, input: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c rows columns"]:
        """Convolve as the plain one does."""
        padding, stride = self.padding_of(input), (self.stride[0], self.stride[1])
        if torch.is_grad_enabled() and self.weight.requires_grad:
            output: Tensor = _Convolution.apply(input, self.weight, self.bias, stride, padding)
            return output
        return convolve(input, self.weight, self.bias, stride, padding)


def convolve(
    input: Tensor, weight: Tensor, bias: Tensor | None, stride: tuple[int, int], padding: Padding
) -> Tensor:
    """Convolve each channel with its own kernel."""
    weight, sides = with_symmetric_padding(weight, padding)
    return F.conv2d(input, weight, bias, stride, sides, groups=len(weight))


class _Convolution(Function):
    """A depthwise convolution."""

    @staticmethod
    def forward(  # noqa: PLR0917 (autograd hands over positions alone)
        ctx: Any,
        input: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        stride: tuple[int, int],
        padding: Padding,
    ) -> Tensor:
        """Convolve each channel with its own kernel."""
        ctx.save_for_backward(input, weight)
        ctx.stride, ctx.padding = stride, padding
        return convolve(input, weight, bias, stride, padding)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Compute the gradients of input, weight and bias."""
        (gradient,) = gradients
        input, weight = ctx.saved_tensors
        stride, padding = ctx.stride, ctx.padding
        of_input = None
        if ctx.needs_input_grad[0]:
            whole, sides = with_symmetric_padding(weight, padding)
            of_input = _gradients(gradient, input, whole, stride, sides, of_weight=False)
        of_weight = gradient_of_weight(gradient, input, weight, stride, padding)
        of_bias = gradient.sum((0, 2, 3)) if ctx.needs_input_grad[2] else None
        return of_input, of_weight, of_bias, None, None


def gradient_of_weight(
    gradient: Float[Tensor, "b c rows columns"],
    input: Float[Tensor, "b c h w"],
    weight: Float[Tensor, "c 1 kh kw"],
    stride: tuple[int, int],
    padding: Padding,
) -> Float[Tensor, "c 1 kh kw"]:
    """Compute the gradient of a depthwise convolution's weight, its first and last three columns.

    One copy of the input serves both: rows follow each other with no more zeros between them than
    a block needs, and a view that begins some columns later is what the last columns meet.
    """
    number, channels, height, width = input.shape
    start = weight.shape[-1] - BLOCK  # of the last columns
    met = (gradient.shape[-1] - 1) * stride[1] + BLOCK  # columns of the input by a block
    pitch = max(padding.left + width, met)
    wrapped = start + met - pitch  # columns of the next row that the view also has: zeros
    if pitch >= met + stride[1] or wrapped > padding.left:
        padded = F.pad(input, (padding.left, padding.right, padding.top, padding.bottom))
        return _gradients(gradient, padded, weight, stride, (0, 0), of_weight=True)
    rows = 0 if padding.top == padding.bottom else padding.top
    added = 0 if padding.top == padding.bottom else padding.top + padding.bottom
    size = number * (height + added) * pitch * channels
    flat = input.new_zeros(size + start * channels)
    shape = (number, height + added, pitch, channels)
    first, last = (flat[at : at + size].view(shape) for at in (0, start * channels))
    inside = first[:, rows : rows + height, padding.left : padding.left + width]
    inside.copy_(input.permute(0, 2, 3, 1))
    sides = (0 if added else padding.top, 0)
    of_first, of_last = (
        _gradients(gradient, view.permute(0, 3, 1, 2), block, stride, sides, of_weight=True)
        for view, block in ((first, weight[..., :BLOCK]), (last, weight[..., start:]))
    )
    return torch.cat([of_first[..., :start], of_last], dim=-1)


def _gradients(
    gradient: Tensor,
    input: Tensor,
    weight: Tensor,
    stride: tuple[int, int],
    padding: tuple[int, int],
    *,
    of_weight: bool,
) -> Tensor:
    """Compute the gradient of the weight or of the input with torch's operator."""
    found: tuple[Tensor, Tensor, Tensor] = torch.ops.aten.convolution_backward(
        gradient,
        input,
        weight,
        None,
        stride,
        padding,
        (1, 1),  # dilation
        False,  # transposed
        (0, 0),  # output padding
        len(weight),
        (not of_weight, of_weight, False),
    )
    return found[1] if of_weight else found[0]
