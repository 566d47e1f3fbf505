"""What every backbone is: feature maps, and the pixel statistics it was trained with."""

from abc import abstractmethod

import torch
from jaxtyping import Float
from torch import Tensor, nn

__all__ = ["Backbone", "grids"]


class Backbone(nn.Module):
    """Normalised pictures in, feature maps of falling size out."""

    channels: tuple[int, ...]  # of each feature map
    pixel_mean: tuple[float, float, float]  # of RGB values from 0 to 255
    pixel_std: tuple[float, float, float]

    @abstractmethod
    def forward(self, images: Float[Tensor, "b 3 h w"]) -> list[Tensor]:
        """One feature map (b, channels, rows, columns) for each entry of `channels`."""


@torch.no_grad()
def grids(maps: nn.Module, *inputs: Tensor) -> list[tuple[int, int]]:
    """(rows, columns) of the feature maps that a module makes of these inputs."""
    training = maps.training
    maps.eval()  # so that batch norm learns nothing from the trial
    found = maps(*inputs)
    maps.train(training)
    return [(feature.shape[-2], feature.shape[-1]) for feature in found]
