"""A backbone of two convolutions."""

from typing import Literal

import torch
from torch import Tensor, nn

import singleshot


class TwoConvolutionsSettings(singleshot.BackboneSettings):
    """The table `model.backbone`."""

    kind: Literal["two-convolutions"] = "two-convolutions"
    name: str = "two-convolutions"
    width: int = 16


class TwoConvolutions(singleshot.Backbone):
    """Feature maps at strides 8 and 16."""

    pixel_mean = (127.5, 127.5, 127.5)
    pixel_std = (63.75, 63.75, 63.75)

    def __init__(self, width: int) -> None:
        super().__init__()
        self.channels = (width, 2 * width)
        self.fine = nn.Conv2d(3, width, 8, stride=8)
        self.coarse = nn.Conv2d(width, 2 * width, 2, stride=2)

    def forward(self, images: Tensor) -> list[Tensor]:
        fine = torch.relu(self.fine(images))
        return [fine, torch.relu(self.coarse(fine))]


def build(settings: TwoConvolutionsSettings, _pretrained: bool) -> TwoConvolutions:
    return TwoConvolutions(settings.width)


TWO_CONVOLUTIONS = singleshot.BackboneKind("two-convolutions", TwoConvolutionsSettings, build)
