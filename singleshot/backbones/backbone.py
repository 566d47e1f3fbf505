"""The contract of a backbone: feature maps, and the pixel statistics it was trained with."""

from abc import abstractmethod
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.func import functional_call

from singleshot.errors import some_of

__all__ = ["Backbone", "LoadedWeights", "channels_of", "grids", "loaded_weights", "scaled_to_255"]


@dataclass(frozen=True, slots=True)
class LoadedWeights:
    """Tensors taken from a file of pretrained weights, those left over, and what it lacks."""

    source: str
    num_tensors: int  # that were taken
    left_over: tuple[str, ...] = ()  # tensors of the file that are of no use, by name
    random: tuple[str, ...] = ()  # layers that the file has no weights for

    def with_more(self, names: Collection[str]) -> "LoadedWeights":
        """Count some of the tensors that were left over as taken."""
        left_over = tuple(name for name in self.left_over if name not in names)
        num_tensors = self.num_tensors + len(self.left_over) - len(left_over)
        return replace(self, num_tensors=num_tensors, left_over=left_over)

    def without(self, *layers: str) -> "LoadedWeights":
        """Add layers that the file has no weights for."""
        return replace(self, random=(*self.random, *layers))

    def __str__(self) -> str:
        """Describe them in a line."""
        text = f"{self.source}: {self.num_tensors} tensors taken"
        if self.left_over:
            text += f"; left over: {some_of(self.left_over)}"
        if self.random:
            text += f"; {' and '.join(self.random)} start from random weights"
        return text


class Backbone(nn.Module):
    """A network from normalised images to feature maps of falling size."""

    channels: tuple[int, ...]  # of each feature map
    pixel_mean: tuple[float, float, float]  # of RGB values from 0 to 255
    pixel_std: tuple[float, float, float]
    loaded: LoadedWeights | None = None  # of the file it was filled from

    @abstractmethod
    def forward(self, images: Float[Tensor, "b 3 h w"]) -> list[Tensor]:
        """Compute a feature map (b, channels, rows, columns) for each entry of `channels`."""


def loaded_weights(network: nn.Module) -> Iterator[LoadedWeights]:
    """Yield what was loaded from files into the backbones of a detector."""
    for module in network.modules():
        if isinstance(module, Backbone) and module.loaded is not None:
            yield module.loaded


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
