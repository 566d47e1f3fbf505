"""DSSD's way down: what the coarse levels have understood gates the fine ones.

Fu et al. 2017, "DSSD : Deconvolutional Single Shot Detector", §3.2; layers and their order as in
the authors' code (chengyangfu/caffe, branch dssd, examples/ssd/ssd_pascal_resnet_deconv_321.py:
`AddDeconvLayers`, `CombineFeature`).
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from singleshot.backbones.initial import caffe_xavier
from singleshot.detectors.ssd.residual import normalised
from singleshot.detectors.ssd.settings import ExtraLevel

__all__ = ["Deconvolutions", "Shrinking", "shrinking_by"]


class Shrinking(NamedTuple):
    """The convolution that made a level of the one below it, which the way down undoes."""

    kernel: int = 2
    stride: int = 2
    padding: int = 0


def shrinking_by(level: ExtraLevel) -> Shrinking:
    """How an extra level was made."""
    # TensorFlow's "same" has no fixed number; half the kernel leaves at most a row to fill.
    padding = (level.kernel - 1) // 2 if level.padding == "same" else level.padding
    return Shrinking(level.kernel, level.stride, padding)


class Deconvolutions(nn.Module):
    """All levels but the coarsest at one width, each multiplied by what those above it see."""

    def __init__(self, channels: Sequence[int], width: int, shrinking: Sequence[Shrinking]) -> None:
        """`channels` are those of the levels that come in, `shrinking` what lies between them."""
        super().__init__()
        coarse_channels = (*(width for _ in channels[2:]), channels[-1])
        self.merge = nn.ModuleList(
            Merge(fine, coarse, width, between)
            for fine, coarse, between in zip(channels[:-1], coarse_channels, shrinking, strict=True)
        )

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        """The same grids; the coarsest level is what it was."""
        levels = list(features)
        for fine in range(len(levels) - 2, -1, -1):
            levels[fine] = self.merge[fine](levels[fine], levels[fine + 1])
        return levels


class Merge(nn.Module):
    """One deconvolution module (figure 3 of the paper): the product of a level and what is above.

    Only the deconvolution itself has a bias; batch norm follows every other convolution.
    """

    def __init__(
        self, fine_channels: int, coarse_channels: int, width: int, shrinking: Shrinking
    ) -> None:
        super().__init__()
        self.fine = nn.Sequential(
            normalised(fine_channels, width, 3, padding=1),
            nn.ReLU(inplace=True),
            normalised(width, width, 3, padding=1),
        )
        self.deconvolution = nn.ConvTranspose2d(
            coarse_channels, width, shrinking.kernel, shrinking.stride, shrinking.padding
        )
        caffe_xavier(self.deconvolution)
        self.coarse = normalised(width, width, 3, padding=1)

    def forward(
        self, fine: Float[Tensor, "b c h w"], coarse: Float[Tensor, "b d rows columns"]
    ) -> Float[Tensor, "b width h w"]:
        """The fine level, gated."""
        grown = fitted(self.deconvolution(coarse), fine)
        return F.relu(self.fine(fine) * self.coarse(grown))


def fitted(
    features: Float[Tensor, "b c rows columns"], like: Float[Tensor, "b d h w"]
) -> Float[Tensor, "b c h w"]:
    """Cut off at the far edges, or filled with zeros, to another level's grid.

    At the paper's input sizes nothing changes: there every convolution fits its level exactly.
    """
    rows, columns = like.shape[-2] - features.shape[-2], like.shape[-1] - features.shape[-1]
    return F.pad(features, (0, columns, 0, rows))
