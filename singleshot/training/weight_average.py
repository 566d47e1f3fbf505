"""An exponential average of the weights, which judges and serves better than the last of them.

Written here because torch's `AveragedModel` keeps its own counter and cannot average batch norm's
statistics together with the weights under a decay that warms up.
"""

from copy import deepcopy

import torch
from torch import Tensor, nn

__all__ = ["WeightAverage"]


class WeightAverage:
    """The average of a model's weights as a model of its own, in evaluation mode."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        """`decay` is approached from below: a young average would remember the random start."""
        self.decay = decay
        self.model = deepcopy(model).eval().requires_grad_(False)
        # Gathered once: going through the modules takes longer than the sums.
        self.values, self.averages = floating(model), floating(self.model)

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the weights after this step, counted from 1."""
        decay = min(self.decay, step / (step + 10))
        torch._foreach_lerp_(self.averages, self.values, 1 - decay)


def floating(model: nn.Module) -> list[Tensor]:
    """What can be averaged: weights and statistics, but no counters."""
    return [tensor for tensor in model.state_dict().values() if tensor.is_floating_point()]
