"""The residual blocks of SSD321 and SSD513 (Fu et al. 2017, "DSSD", §3.1).

They are levels above ResNet, and the module between a level and its predictors. Numbers and order
are those of the authors' code (chengyangfu/caffe, branch dssd, python/caffe/model_libs.py:
`ConvBNLayer`, `ResBody`).
"""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

__all__ = ["ResidualBlock", "normalised"]


class ResidualBlock(nn.Module):
    """ResNet's bottleneck with a projection as its shortcut.

    Shortcut and first convolution share kernel, stride and padding: a level that shrinks looks at
    all of the level below, where ResNet's 1 × 1 convolution of stride 2 skips three of four places.
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
        """`squeeze` channels within, `channels` at the end."""
        super().__init__()
        self.least_side = kernel - 2 * padding
        self.shortcut = normalised(in_channels, channels, kernel, stride=stride, padding=padding)
        self.residual = nn.Sequential(
            normalised(in_channels, squeeze, kernel, stride=stride, padding=padding),
            nn.ReLU(inplace=True),
            normalised(squeeze, squeeze, 3, padding=1),
            nn.ReLU(inplace=True),
            normalised(squeeze, channels, 1),
        )

    def forward(self, features: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d rows columns"]:
        """`channels` of them, never negative."""
        # Inputs less square than the paper's shrink to one row before the last level is reached.
        rows, columns = (max(self.least_side - side, 0) for side in features.shape[-2:])
        features = F.pad(features, (0, columns, 0, rows))
        return F.relu(self.shortcut(features) + self.residual(features))


def normalised(
    in_channels: int, channels: int, kernel: int, *, stride: int = 1, padding: int = 0
) -> nn.Sequential:
    """A convolution without bias and batch norm, begun as Caffe's "gaussian" filler does."""
    convolution = nn.Conv2d(in_channels, channels, kernel, stride, padding, bias=False)
    nn.init.normal_(convolution.weight, std=0.01)
    # The original averages statistics over a thousand batches and corrects for the start. PyTorch
    # does not correct, and a short training would keep what it began with: a hundred here.
    return nn.Sequential(convolution, nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01))
