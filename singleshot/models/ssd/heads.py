"""What predicts, at each place of each level, the offsets and logits of its priors (paper §2.1)."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from singleshot.models.initial import caffe_xavier, small_normal
from singleshot.models.ssd.separable import depthwise
from singleshot.recipes.schema import HeadSettings

__all__ = ["Heads"]


class Heads(nn.Module):
    """Two convolutions for each level."""

    def __init__(
        self,
        channels: Sequence[int],
        num_priors: Sequence[int],
        num_columns: int,
        settings: HeadSettings,
    ) -> None:
        """`num_priors` at one place of each level; `num_columns` counts the background."""
        super().__init__()
        make = plain if settings.block == "plain" else separable
        levels = list(zip(channels, num_priors, strict=True))
        self.num_columns = num_columns
        self.offsets = nn.ModuleList(make(width, 4 * priors) for width, priors in levels)
        self.logits = nn.ModuleList(make(width, num_columns * priors) for width, priors in levels)
        self.apply(caffe_xavier if settings.block == "plain" else small_normal)

    def forward(
        self, features: list[Tensor]
    ) -> tuple[Float[Tensor, "b priors 4"], Float[Tensor, "b priors columns"]]:
        """Offsets and logits of all priors, in the priors' order."""
        offsets = [
            prior_major(head(feature), 4)
            for head, feature in zip(self.offsets, features, strict=True)
        ]
        logits = [
            prior_major(head(feature), self.num_columns)
            for head, feature in zip(self.logits, features, strict=True)
        ]
        return torch.cat(offsets, dim=1), torch.cat(logits, dim=1)


def plain(in_channels: int, channels: int) -> nn.Module:
    return nn.Conv2d(in_channels, channels, 3, padding=1)


def separable(in_channels: int, channels: int) -> nn.Module:
    """SSDLite's: depthwise, then 1 × 1."""
    return nn.Sequential(depthwise(in_channels), nn.Conv2d(in_channels, channels, 1))


def prior_major(
    outputs: Float[Tensor, "b channels h w"], width: int
) -> Float[Tensor, "b priors width"]:
    """Row by row, cell by cell, prior by prior."""
    return outputs.permute(0, 2, 3, 1).reshape(len(outputs), -1, width)
