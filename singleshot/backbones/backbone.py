"""The contract of a backbone: feature maps, and the pixel statistics it was trained with."""

from abc import abstractmethod

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.func import functional_call

__all__ = ["Backbone", "channels_of", "grids", "scaled_to_255"]


class Backbone(nn.Module):
    """A network from normalised images to feature maps of falling size."""

    channels: tuple[int, ...]  # of each feature map
    pixel_mean: tuple[float, float, float]  # of RGB values from 0 to 255
    pixel_std: tuple[float, float, float]

    @abstractmethod
    def forward(self, images: Float[Tensor, "b 3 h w"]) -> list[Tensor]:
        """Compute a feature map (b, channels, rows, columns) for each entry of `channels`."""


def channels_of(backbone: nn.Module) -> tuple[int, ...]:
    """Find the channels of each feature map by a trial run."""
    # Inception accepts no image below 75 pixels.
    return tuple(feature.shape[1] for feature in _trial(backbone, torch.zeros(1, 3, 256, 256)))


def grids(maps: nn.Module, *inputs: Tensor) -> list[tuple[int, int]]:
    """Find (rows, columns) of the feature maps that a module makes of these inputs."""
    return [(feature.shape[-2], feature.shape[-1]) for feature in _trial(maps, *inputs)]


@torch.no_grad()
def _trial(maps: nn.Module, *inputs: Tensor) -> list[Tensor]:
    """Run a module on the meta device: shapes without computation."""
    shapes = torch.device("meta")
    named = [*maps.named_parameters(), *maps.named_buffers()]
    weights = {name: tensor.to(shapes) for name, tensor in named}
    training = maps.training
    maps.eval()  # batch norm would count the trial
    features: list[Tensor] = functional_call(maps, weights, tuple(x.to(shapes) for x in inputs))
    maps.train(training)
    return features


def scaled_to_255(values: tuple[float, ...]) -> tuple[float, float, float]:
    """Convert statistics of pixels from 0 to 1 into those of pixels from 0 to 255."""
    red, green, blue = (255 * value for value in values)
    return red, green, blue
