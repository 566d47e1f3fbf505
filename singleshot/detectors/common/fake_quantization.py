"""Round weights and feature maps to the values that 8 bits can hold, and learn through it.

"Fake quantisation": values stay floating point, but only 256 of them occur, as on a device that
computes in int8 (Jacob et al. 2018, "Quantization and Training of Neural Networks for Efficient
Integer-Arithmetic-Only Inference", §3). The operators are PyTorch's own. They export to ONNX as
QuantizeLinear and DequantizeLinear. The modules around them are not `torch.ao.quantization`'s,
which is announced for removal, nor torchao's, which would be a dependency.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed as dist
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd import Function

__all__ = [
    "ActivationQuantizer",
    "RoundedWeight",
    "WeightQuantizer",
    "observing_ranges",
    "round_weight",
]

INT8 = (-128, 127)
UINT8 = (0, 255)
MOMENTUM = 0.01  # of the moving average of ranges
SMALLEST_SCALE = 1e-9  # of a tensor of zeros: scales are divided by


class WeightQuantizer(nn.Module):
    """Rounds weights to signed 8-bit numbers, symmetric around 0.

    A scale follows from the largest weight, so that there is nothing to store.
    """

    fixed_scale: Tensor | None

    def __init__(self, *, per_channel: bool) -> None:
        """Each output channel has a scale of its own, or all have one."""
        super().__init__()
        self.per_channel = per_channel
        self.register_buffer("fixed_scale", None, persistent=False)

    def scale(self, weight: Float[Tensor, "out inside h w"]) -> Float[Tensor, "*channels"]:
        """Compute the step between two numbers: of each output channel, or of all."""
        magnitudes = weight.detach().abs()
        largest = magnitudes.amax(dim=(1, 2, 3)) if self.per_channel else magnitudes.amax()
        # -128 has no positive counterpart, and stays unused.
        return (largest / INT8[1]).clamp(min=SMALLEST_SCALE)

    def forward(self, weight: Float[Tensor, "out inside h w"]) -> Float[Tensor, "out inside h w"]:
        """Round; gradients pass unchanged, since no weight is beyond the range."""
        if torch.is_grad_enabled():
            rounded: Tensor = _Straight.apply(weight, self.round)
            return rounded
        return self.round(weight)

    def round(self, weight: Float[Tensor, "out inside h w"]) -> Float[Tensor, "out inside h w"]:
        """Round, without a gradient."""
        scale = self.scale(weight) if self.fixed_scale is None else self.fixed_scale
        zero = torch.zeros_like(scale, dtype=torch.int32)
        if self.per_channel:
            return torch.fake_quantize_per_channel_affine(weight, scale, zero, 0, *INT8)
        return torch.fake_quantize_per_tensor_affine(weight, scale, zero, *INT8)


class _Straight(Function):
    """A function whose gradient is that of the identity.

    The operator's own has the memory layout of its mask, which DistributedDataParallel warns of.
    """

    @staticmethod
    def forward(ctx: Any, value: Tensor, function: Callable[[Tensor], Tensor]) -> Tensor:
        """Call the function."""
        del ctx
        return function(value)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradient as it is."""
        del ctx
        return gradients[0], None


class RoundedWeight(nn.Module):
    """A layer whose weight is rounded whenever it is read; it is mixed into the layer's class.

    Not `torch.nn.utils.parametrize`: there a layer and its deep copies share a class, and removing
    the parametrization of one breaks the others.
    """

    weight_quantizer: WeightQuantizer

    @property
    def unrounded_weight(self) -> nn.Parameter:
        """The parameter that is trained."""
        parameter = self._parameters["weight"]
        assert parameter is not None
        return parameter

    @property
    def weight(self) -> Float[Tensor, "out inside h w"]:
        """The rounded weight, for the layer's own `forward`."""
        rounded: Tensor = self.weight_quantizer(self.unrounded_weight)
        return rounded

    def fix_scale(self) -> None:
        """Make the scale a constant: an exported graph need not compute it."""
        self.weight_quantizer.fixed_scale = self.weight_quantizer.scale(self.unrounded_weight)

    def keep_rounded(self) -> None:
        """Make the layer a plain one again, with the rounded weight."""
        rounded = nn.Parameter(self.weight.detach(), self.unrounded_weight.requires_grad)
        self.__class__ = next(kind for kind in type(self).__bases__ if kind is not RoundedWeight)
        del self.weight_quantizer
        self.register_parameter("weight", rounded)


def round_weight(layer: nn.Module, *, per_channel: bool) -> None:
    """Round the weight of a convolution whenever it is read, in place; its name stays."""
    layer.add_module("weight_quantizer", WeightQuantizer(per_channel=per_channel))
    kind = type(layer)
    layer.__class__ = type(f"Rounded{kind.__name__}", (RoundedWeight, kind), {})


class ActivationQuantizer(nn.Module):
    """Rounds a feature map to 8 bits, over a range that is a moving average of what occurred.

    In training mode the range follows the values; in evaluation mode it stays.
    """

    range: Float[Tensor, " 2"]
    num_observed: Tensor

    def __init__(self, *, symmetric: bool) -> None:
        """`symmetric` numbers are signed, and 0 is the middle; otherwise they are unsigned."""
        super().__init__()
        self.symmetric = symmetric
        self.register_buffer("range", torch.zeros(2))
        self.register_buffer("num_observed", torch.zeros((), dtype=torch.int64))

    def forward(self, features: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """Round; the gradient of values beyond the range is 0."""
        if self.training:
            self.observe(features.detach())
        scale, zero_point = self.scale_and_zero_point()
        limits = INT8 if self.symmetric else UINT8
        rounded = torch.fake_quantize_per_tensor_affine(
            features.float(), scale, zero_point, *limits
        )
        return rounded.to(features.dtype)

    @torch.no_grad()
    def observe(self, features: Float[Tensor, "*shape"]) -> None:
        """Move the range towards that of these values, of all processes together."""
        low, high = features.float().aminmax()
        # 0 has to be representable: padding consists of it.
        outermost = torch.stack([(-low).clamp(min=0), high.clamp(min=0)])
        if dist.is_initialized():
            dist.all_reduce(outermost, dist.ReduceOp.MAX)
        observed = torch.stack([-outermost[0], outermost[1]])
        self.num_observed += 1
        # At first it is the mean of all that occurred.
        self.range.lerp_(observed, (1 / self.num_observed).clamp(min=MOMENTUM))

    def scale_and_zero_point(self) -> tuple[Float[Tensor, ""], Tensor]:
        """Compute the step between two numbers, and the number that stands for 0."""
        low, high = self.range.unbind()
        if self.symmetric:
            scale = (torch.maximum(-low, high) / INT8[1]).clamp(min=SMALLEST_SCALE)
            return scale, torch.zeros_like(scale, dtype=torch.int32)
        scale = ((high - low) / UINT8[1]).clamp(min=SMALLEST_SCALE)
        return scale, (-low / scale).round().to(torch.int32)


@contextmanager
def observing_ranges(network: nn.Module) -> Iterator[None]:
    """Let ranges follow the values of a network that is in evaluation mode otherwise."""
    quantizers = [module for module in network.modules() if isinstance(module, ActivationQuantizer)]
    for quantizer in quantizers:
        quantizer.train()
    try:
        yield
    finally:
        for quantizer in quantizers:
            quantizer.eval()
