"""Batch norm over the images of all processes that train together.

PyTorch's own `SyncBatchNorm` is for GPUs alone; on a processor this one takes its place. Both give
what plain batch norm gives on the joined batch (Ioffe and Szegedy 2015, algorithm 1; its gradients,
§3), however unequal the shares are. Weights keep their names.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
import torch.distributed as dist
import torch.nn.functional as F
from jaxtyping import Float
from timm.layers import convert_sync_batchnorm
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from singleshot.backbones.folding import replace_module

__all__ = ["SynchronisedBatchNorm", "synchronise_batch_norms"]


def synchronise_batch_norms(model: nn.Module, device: torch.device) -> None:
    """Let every batch norm of a model see the images of all processes while it trains."""
    if device.type == "cuda":
        convert_sync_batchnorm(model)
        return
    for name, module in list(model.named_modules()):
        if isinstance(module, nn.BatchNorm2d):
            replace_module(model, name, SynchronisedBatchNorm(module))


class SynchronisedBatchNorm(nn.BatchNorm2d):
    """A batch norm, with whatever activation it carries, in the place of another."""

    def __init__(self, norm: nn.BatchNorm2d) -> None:
        assert norm.affine
        assert norm.track_running_stats
        assert norm.momentum is not None
        super().__init__(norm.num_features, norm.eps, norm.momentum)
        # The very tensors: an optimizer or an average may know them already.
        self.weight, self.bias = norm.weight, norm.bias
        self.running_mean, self.running_var = norm.running_mean, norm.running_var
        self.num_batches_tracked = norm.num_batches_tracked
        # timm's `BatchNormAct2d` has an activation inside.
        self.after = nn.Sequential(*norm.children())
        self.train(norm.training)

    def forward(self, input: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """Frozen statistics in evaluation mode, those of all processes' images otherwise."""
        if not self.training:
            normalised: Tensor = super().forward(input)
        else:
            # Sums over a whole batch need float32 at least, whatever the precision.
            wide = torch.promote_types(input.dtype, torch.float32)
            normalised = self.synchronised(input.to(wide)).to(input.dtype)
        after: Tensor = self.after(normalised)
        return after

    def synchronised(self, input: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """Normalise by the joined statistics, and take them into the running ones."""
        with torch.no_grad():
            joined = statistics_of_all(input)
            self.take_in(joined)
        normalised: Tensor = Normalise.apply(input, self.weight, self.bias, joined, self.eps)
        return normalised

    def take_in(self, joined: Statistics) -> None:
        """As `BatchNorm2d`: the running variance is of a sample, hence n / (n - 1)."""
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        assert self.momentum is not None
        self.num_batches_tracked.add_(1)
        self.running_mean.lerp_(joined.mean, self.momentum)
        unbiased = joined.variance * (joined.number / (joined.number - 1))
        self.running_var.lerp_(unbiased, self.momentum)


class Statistics(NamedTuple):
    """Of each channel, over images, rows and columns."""

    number: Float[Tensor, ""]  # of values in a channel
    mean: Float[Tensor, " c"]
    variance: Float[Tensor, " c"]


def statistics_of_all(input: Float[Tensor, "b c h w"]) -> Statistics:
    """Those of the values of all processes together, in one exchange.

    Chan, Golub and LeVeque 1979, "Updating Formulae and a Pairwise Algorithm for Computing Sample
    Variances", equation 2.1: means are not squared, so that nothing cancels.
    """
    mean, variance = torch.batch_norm_update_stats(input, None, None, 0.0)
    ours = torch.cat([mean, variance, mean.new_tensor([input.numel() // len(mean)])])
    everyone = [torch.empty_like(ours) for _ in range(dist.get_world_size())]
    dist.all_gather(everyone, ours)
    table = torch.stack(everyone)
    means, variances, numbers = torch.tensor_split(table, [len(mean), 2 * len(mean)], dim=1)
    number = numbers.sum()
    shares = numbers / number
    joined = (shares * means).sum(dim=0)
    spread = variances + (means - joined).square()
    return Statistics(number, joined, (shares * spread).sum(dim=0))


class Normalise(Function):
    """y = (x - mean) / σ · weight + bias, where the mean and σ depend on x in every process."""

    @staticmethod
    def forward(  # noqa: PLR0917 (autograd hands over positions alone)
        ctx: Any, input: Tensor, weight: Tensor, bias: Tensor, joined: Statistics, eps: float
    ) -> Tensor:
        """The joined statistics as if they were frozen."""
        ctx.save_for_backward(input, weight, *joined)
        ctx.eps = eps
        _, mean, variance = joined
        return F.batch_norm(input, mean, variance, weight, bias, training=False, eps=eps)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """With x̂ = (x - mean) / σ: dx = weight / σ · (dy - Σ dy / n - x̂ Σ (dy x̂) / n).

        The sums are over all processes; what weight and bias learn is this process' part, since it
        is joined with everyone's as all other gradients are.
        """
        (gradient,) = gradients
        input, weight, number, mean, variance = ctx.saved_tensors
        per_sigma = (variance + ctx.eps).rsqrt()
        _, of_weight, of_bias = torch.ops.aten.native_batch_norm_backward(
            gradient, input, weight, None, None, mean, per_sigma, True, ctx.eps, [False, True, True]
        )
        sums = torch.stack([of_bias, of_weight])
        dist.all_reduce(sums)
        by_mean, by_sigma = (sums / number)[:, None, :, None, None]
        outer = (1, -1, 1, 1)
        wrong = (input - mean.view(outer)).mul_(per_sigma.view(outer) * by_sigma).add_(by_mean)
        of_input = (gradient - wrong).mul_((weight * per_sigma).view(outer))
        return of_input, of_weight, of_bias, None, None
