"""Activations in place that keep no copy for their backward pass.

Torch's ReLU6 in place copies its input first, since its gradient is written in terms of that; where
the output is strictly between 0 and 6, so is the input, and the output does as well.
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

__all__ = ["Relu6", "avoid_copies"]


def avoid_copies(model: nn.Module) -> None:
    """Replace ReLU6 in place, and let hard swish write beside its input, which it needs."""
    for name, module in list(model.named_modules()):
        if type(module) is nn.ReLU6 and module.inplace:
            replace_module(model, name, Relu6())
        elif type(module) is nn.Hardswish:
            module.inplace = False


class Relu6(nn.Module):
    """ReLU6 in place."""

    def forward(self, input: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """Clamp to between 0 and 6."""
        if torch.is_grad_enabled() and input.requires_grad:
            output: Tensor = _Relu6.apply(input)
            return output
        return F.relu6(input, inplace=True)


class _Relu6(Function):
    @staticmethod
    def forward(ctx: Any, input: Tensor) -> Tensor:
        """Clamp in place."""
        ctx.mark_dirty(input)
        output = F.relu6(input, inplace=True)
        ctx.save_for_backward(output)
        return output

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        """Let the gradient through where the output is neither 0 nor 6."""
        (gradient,) = gradients
        (output,) = ctx.saved_tensors
        of_input: Tensor = torch.ops.aten.hardtanh_backward(gradient, output, 0, 6)
        return of_input
