"""Batch norm over the images of all processes that train together.

PyTorch's own `SyncBatchNorm` is for GPUs only; on a CPU this one takes its place. Both compute what
plain batch norm computes on the joint batch (Ioffe and Szegedy 2015, algorithm 1; its gradients,
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
    """Replace every batch norm by one over the images of all processes, in training mode."""
    if device.type == "cuda":
        convert_sync_batchnorm(model)
        return
    for name, module in list(model.named_modules()):
        if isinstance(module, nn.BatchNorm2d):
            replace_module(model, name, SynchronisedBatchNorm(module))


class SynchronisedBatchNorm(nn.BatchNorm2d):
    """Batch norm over all processes, with the parameters and the activation of a plain one."""

    def __init__(self, norm: nn.BatchNorm2d) -> None:
        assert norm.affine
        assert norm.track_running_stats
        assert norm.momentum is not None
        super().__init__(norm.num_features, norm.eps, norm.momentum)
        # The same tensors: an optimizer or an average may refer to them already.
        self.weight, self.bias = norm.weight, norm.bias
        self.running_mean, self.running_var = norm.running_mean, norm.running_var
        self.num_batches_tracked = norm.num_batches_tracked
        # timm's `BatchNormAct2d` has an activation inside.
        self.after = nn.Sequential(*norm.children())
        self.train(norm.training)

    def forward(self, input: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """Normalise by running statistics in evaluation mode, else by those of all processes."""
        if not self.training:
            normalised: Tensor = super().forward(input)
        else:
            # Sums over a whole batch need float32 at least, whatever the precision.
            wide = torch.promote_types(input.dtype, torch.float32)
            normalised = self.normalise(input.to(wide)).to(input.dtype)
        after: Tensor = self.after(normalised)
        return after

    def normalise(self, input: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """Normalise by the joint statistics, and update the running ones."""
        with torch.no_grad():
            joint = joint_statistics(input)
            self.update_running_statistics(joint)
        normalised: Tensor = _Normalise.apply(input, self.weight, self.bias, joint, self.eps)
        return normalised

    def update_running_statistics(self, joint: Statistics) -> None:
        """Average as `BatchNorm2d`: the running variance is of a sample, hence n / (n - 1)."""
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        assert self.momentum is not None
        self.num_batches_tracked.add_(1)
        self.running_mean.lerp_(joint.mean, self.momentum)
        unbiased = joint.variance * (joint.number / (joint.number - 1))
        self.running_var.lerp_(unbiased, self.momentum)


class Statistics(NamedTuple):
    """Mean and variance of each channel, over images, rows and columns."""

    number: Float[Tensor, ""]  # of values in a channel
    mean: Float[Tensor, " c"]
    variance: Float[Tensor, " c"]


def joint_statistics(input: Float[Tensor, "b c h w"]) -> Statistics:
    """Compute the statistics of the values of all processes, in one exchange.

    Chan, Golub and LeVeque 1979, "Updating Formulae and a Pairwise Algorithm for Computing Sample
    Variances", equation 2.1: means are not squared, which avoids cancellation.
    """
    mean, variance = torch.batch_norm_update_stats(input, None, None, 0.0)
    ours = torch.cat([mean, variance, mean.new_tensor([input.numel() // len(mean)])])
    of_all = [torch.empty_like(ours) for _ in range(dist.get_world_size())]
    dist.all_gather(of_all, ours)
    table = torch.stack(of_all)
    means, variances, numbers = torch.tensor_split(table, [len(mean), 2 * len(mean)], dim=1)
    number = numbers.sum()
    shares = numbers / number
    joint_mean = (shares * means).sum(dim=0)
    spread = variances + (means - joint_mean).square()
    return Statistics(number, joint_mean, (shares * spread).sum(dim=0))


class _Normalise(Function):
    """Batch norm, (x - mean) / σ · weight + bias; mean and σ depend on x in every process."""

    @staticmethod
    def forward(  # noqa: PLR0917 (autograd hands over positions alone)
        ctx: Any, input: Tensor, weight: Tensor, bias: Tensor, joint: Statistics, eps: float
    ) -> Tensor:
        """Normalise by the joint statistics, as if they were constants."""
        ctx.save_for_backward(input, weight, *joint)
        ctx.eps = eps
        _, mean, variance = joint
        return F.batch_norm(input, mean, variance, weight, bias, training=False, eps=eps)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Compute dx = weight / σ · (dy - Σ dy / n - x̂ Σ (dy x̂) / n) with x̂ = (x - mean) / σ.

        Its sums are over all processes; gradients of weight and bias are those of this process,
        since they are summed later, as those of all other parameters are.
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
        through = (input - mean.view(outer)).mul_(per_sigma.view(outer) * by_sigma).add_(by_mean)
        of_input = (gradient - through).mul_((weight * per_sigma).view(outer))
        return of_input, of_weight, of_bias, None, None
