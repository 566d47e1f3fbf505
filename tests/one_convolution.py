"""A backbone of one convolution for each feature map, for detectors built without a recipe."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from singleshot.backbones.backbone import Backbone
from singleshot.structures import Batch, Truth

__all__ = ["OneConvolution", "make_batch"]


class OneConvolution(Backbone):
    """Feature maps at these strides, each a convolution of the image with a ReLU."""

    pixel_mean = (127.5, 127.5, 127.5)
    pixel_std = (64.0, 64.0, 64.0)

    def __init__(self, strides: Sequence[int], channels: int = 8) -> None:
        super().__init__()
        self.channels = (channels,) * len(strides)
        self.layers = nn.ModuleList(
            nn.Sequential(nn.Conv2d(3, channels, stride, stride), nn.ReLU()) for stride in strides
        )

    def forward(self, images: Tensor) -> list[Tensor]:
        """Compute the maps, finest first."""
        return [layer(images) for layer in self.layers]


def make_batch(size: tuple[int, int]) -> Batch:
    """Make an image of (height, width) with two objects, and one without any."""
    height, width = size
    images = torch.full((2, 3, height, width), 120, dtype=torch.uint8)
    images[0, :, 10:40, 12:44] = torch.tensor([200, 40, 40], dtype=torch.uint8)[:, None, None]
    truth = Truth.of(torch.tensor([[12.0, 10, 44, 40], [50.0, 30, 60, 60]]), torch.tensor([1, 0]))
    nothing = truth[torch.tensor([], dtype=torch.int64)]
    return Batch(images, (truth, nothing), ("a", "b"))
