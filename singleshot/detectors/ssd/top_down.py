"""A light top-down path: what the coarse levels have understood is added to the fine ones.

Lin et al. 2017, "Feature Pyramid Networks", §3, with depthwise convolutions after each sum. Small
objects are found on fine levels, whose features alone know edges but not things.
"""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from singleshot.backbones.initial import small_normal
from singleshot.detectors.ssd.separable import depthwise, pointwise

__all__ = ["TopDown"]


class TopDown(nn.Module):
    """All levels at one width, each informed by those above it."""

    def __init__(self, channels: Sequence[int], width: int) -> None:
        """`channels` are those of the levels that come in."""
        super().__init__()
        self.lateral = nn.ModuleList(pointwise(width_in, width) for width_in in channels)
        self.smooth = nn.ModuleList(
            nn.Sequential(depthwise(width), pointwise(width, width)) for _ in channels[:-1]
        )
        self.apply(small_normal)

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        """The same grids."""
        levels = [lateral(feature) for lateral, feature in zip(self.lateral, features, strict=True)]
        for fine in range(len(levels) - 2, -1, -1):
            coarse = F.interpolate(levels[fine + 1], levels[fine].shape[-2:], mode="nearest")
            levels[fine] = self.smooth[fine](levels[fine] + coarse)
        return levels
