"""DSSD's layers: residual blocks and the deconvolutional path (Fu et al. 2017, "DSSD").

Residual blocks (§3.1) are the levels above ResNet in SSD321 and SSD513, and DSSD's prediction
modules. The deconvolutional path (§3.2) multiplies each level by what was computed at the coarser
ones. Numbers and order are those of the authors' code (chengyangfu/caffe, branch dssd):
python/caffe/model_libs.py (`ConvBNLayer`, `ResBody`) and
examples/ssd/ssd_pascal_resnet_deconv_321.py (`AddDeconvLayers`, `CombineFeature`).
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from singleshot.backbones.initial import caffe_xavier

__all__ = ["Deconvolutions", "Downsampling", "ResidualBlock", "conv_bn"]


class Downsampling(NamedTuple):
    """The convolution between a level and the next coarser one, which a deconvolution undoes."""

    kernel: int = 2
    stride: int = 2
    padding: int = 0


def conv_bn(
    in_channels: int, channels: int, kernel: int, *, stride: int = 1, padding: int = 0
) -> nn.Sequential:
    """Build a convolution without bias and batch norm, initialised as by Caffe's "gaussian"."""
    convolution = nn.Conv2d(in_channels, channels, kernel, stride, padding, bias=False)
    nn.init.normal_(convolution.weight, std=0.01)
    # The original averages statistics over a thousand batches and corrects for the start. PyTorch
    # does not correct, and a short training would keep the initial ones: a hundred here.
    return nn.Sequential(convolution, nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01))


class ResidualBlock(nn.Module):
    """ResNet's bottleneck with a projection as its shortcut.

    Shortcut and first convolution share kernel, stride and padding: a level that shrinks sees all
    of the level below, where ResNet's 1 × 1 convolution of stride 2 skips three of four cells.
    """

    def __init__(
        self,
        in_channels: int,
        squeeze: int,
        channels: int,
        *,
        kernel: int = 1,
        stride: int = 1,
        padding: int = 0,
    ) -> None:
        """`squeeze` channels within, `channels` in the output."""
        super().__init__()
        self.least_side = kernel - 2 * padding
        self.shortcut = conv_bn(in_channels, channels, kernel, stride=stride, padding=padding)
        self.residual = nn.Sequential(
            conv_bn(in_channels, squeeze, kernel, stride=stride, padding=padding),
            nn.ReLU(inplace=True),
            conv_bn(squeeze, squeeze, 3, padding=1),
            nn.ReLU(inplace=True),
            conv_bn(squeeze, channels, 1),
        )

    def forward(self, features: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d rows columns"]:
        """Compute `channels` features, none of them negative."""
        # Inputs less square than the paper's shrink to one row before the last level is reached.
        rows, columns = (max(self.least_side - side, 0) for side in features.shape[-2:])
        features = F.pad(features, (0, columns, 0, rows))
        return F.relu(self.shortcut(features) + self.residual(features))


class Deconvolutions(nn.Module):
    """The deconvolutional path: brings all levels but the coarsest to one width."""

    def __init__(
        self, channels: Sequence[int], width: int, downsampling: Sequence[Downsampling]
    ) -> None:
        """`channels` are those of the input levels, `downsampling` lies between them."""
        super().__init__()
        coarse_channels = (*(width for _ in channels[2:]), channels[-1])
        self.merge = nn.ModuleList(
            DeconvolutionModule(fine, coarse, width, between)
            for fine, coarse, between in zip(
                channels[:-1], coarse_channels, downsampling, strict=True
            )
        )

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        """Merge levels from coarse to fine on unchanged grids; the coarsest stays as it is."""
        levels = list(features)
        for fine in range(len(levels) - 2, -1, -1):
            levels[fine] = self.merge[fine](levels[fine], levels[fine + 1])
        return levels


class DeconvolutionModule(nn.Module):
    """The product of a level and the upsampled coarser one (figure 3 of the paper).

    Only the deconvolution itself has a bias; batch norm follows every other convolution.
    """

    def __init__(
        self, fine_channels: int, coarse_channels: int, width: int, downsampling: Downsampling
    ) -> None:
        super().__init__()
        self.fine = nn.Sequential(
            conv_bn(fine_channels, width, 3, padding=1),
            nn.ReLU(inplace=True),
            conv_bn(width, width, 3, padding=1),
        )
        self.deconvolution = nn.ConvTranspose2d(coarse_channels, width, *downsampling)
        caffe_xavier(self.deconvolution)
        self.coarse = conv_bn(width, width, 3, padding=1)

    def forward(
        self, fine: Float[Tensor, "b c h w"], coarse: Float[Tensor, "b d rows columns"]
    ) -> Float[Tensor, "b width h w"]:
        """Upsample the coarse level to the grid of the fine one and multiply both."""
        upsampled = fit_grid(self.deconvolution(coarse), fine)
        return F.relu(self.fine(fine) * self.coarse(upsampled))


def fit_grid(
    features: Float[Tensor, "b c rows columns"], like: Float[Tensor, "b d h w"]
) -> Float[Tensor, "b c h w"]:
    """Cut off or fill with zeros at the far edges, to another level's grid.

    At the paper's input sizes nothing changes: there every convolution fits its level exactly.
    """
    rows, columns = like.shape[-2] - features.shape[-2], like.shape[-1] - features.shape[-1]
    return F.pad(features, (0, columns, 0, rows))
