"""The paper's VGG16 (§3): fc6 and fc7 as convolutions, dilated; conv4_3 normalised (§3.1)."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

import torch
from jaxtyping import Float
from timm.data import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD
from torch import Tensor, nn

from singleshot.backbones.backbone import Backbone, scaled_to_255
from singleshot.backbones.initial import caffe_xavier
from singleshot.backbones.settings import VGG16_CHANNELS, VggPixels

__all__ = ["CONVOLUTIONS", "L2Norm", "Vgg16"]

CONVOLUTIONS = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)  # of `Vgg16.features`
CONV4_3 = 23  # feature layers up to conv4_3 and its ReLU
BLOCK_ENDS = (0, 2, 4, 7, 10, 13)  # of the convolutions


class L2Norm(nn.Module):
    """L2 normalisation over channels at each position, then a learned factor per channel.

    conv4_3 has larger values than the levels above it (paper §3.1; `normalize_layer.cpp`, whose
    epsilon stands inside the root).
    """

    def __init__(self, channels: int, scale: float) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.full((channels,), scale))

    def forward(self, features: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """Normalise; the shape stays."""
        # In half precision the sum of 512 squares would overflow.
        squares = features.float().square().sum(dim=1, keepdim=True)
        normalised = features * torch.rsqrt(squares + 1e-10)
        return normalised * self.scale[:, None, None]


class Vgg16(Backbone):
    """conv4_3 (normalised) at stride 8 and fc7 at stride 16.

    `features` has torchvision's layer numbers, so that its ImageNet weights fit by name.
    """

    # Caffe's mean in RGB; it does not scale.
    pixel_mean = (123.0, 117.0, 104.0)
    pixel_std = (1.0, 1.0, 1.0)

    def __init__(
        self,
        *,
        conv4_3: Literal["l2-norm", "batch-norm"] = "l2-norm",
        pixels: VggPixels = "caffe",
        channels: Sequence[int] = VGG16_CHANNELS,
    ) -> None:
        """`conv4_3` names its normalisation; batch norm is qfgaohao's (vision/ssd/vgg_ssd.py).

        `pixels` are those of the ImageNet training that its weights are from; `channels` are those
        of the 13 convolutions, fc6 and fc7.
        """
        super().__init__()
        *of_features, fc6, fc7 = channels
        self.pixels: VggPixels = pixels
        if pixels == "torchvision":
            self.pixel_mean = scaled_to_255(IMAGENET_DEFAULT_MEAN)
            self.pixel_std = scaled_to_255(IMAGENET_DEFAULT_STD)
        *blocks, last = (of_features[first:end] for first, end in pairwise(BLOCK_ENDS))
        self.features = nn.Sequential(
            *_block(3, blocks[0]),
            nn.MaxPool2d(2),
            *_block(blocks[0][-1], blocks[1]),
            nn.MaxPool2d(2),
            *_block(blocks[1][-1], blocks[2]),
            # 75 columns become 38, as Caffe's pooling rounds up.
            nn.MaxPool2d(2, ceil_mode=True),
            *_block(blocks[2][-1], blocks[3]),
            nn.MaxPool2d(2),
            *_block(blocks[3][-1], last),
        )
        conv4_3_channels = blocks[3][-1]
        self.channels = (conv4_3_channels, fc7)
        self.rescale: nn.Module = L2Norm(conv4_3_channels, scale=20.0)
        if conv4_3 == "batch-norm":
            self.rescale = nn.BatchNorm2d(conv4_3_channels)
        self.fc = nn.Sequential(
            nn.MaxPool2d(3, stride=1, padding=1),
            nn.Conv2d(last[-1], fc6, 3, padding=6, dilation=6),
            nn.ReLU(inplace=True),
            nn.Conv2d(fc6, fc7, 1),
            nn.ReLU(inplace=True),
        )
        self.apply(caffe_xavier)

    def forward(self, images: Float[Tensor, "b 3 h w"]) -> list[Tensor]:
        """Compute both feature maps."""
        conv4_3 = self.features[:CONV4_3](images)
        fc7 = self.fc(self.features[CONV4_3:](conv4_3))
        return [self.rescale(conv4_3), fc7]


def _block(in_channels: int, channels: Sequence[int]) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for width_in, width in pairwise((in_channels, *channels)):
        layers.append(nn.Conv2d(width_in, width, 3, padding=1))
        layers.append(nn.ReLU(inplace=True))
    return layers
