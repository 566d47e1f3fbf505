"""Darknet's networks: what YOLO looks with.

The 20 convolutions before YOLOv1's own (Redmon et al. 2016, fig. 3), Darknet-19 (Redmon and Farhadi
2017, table 6), Darknet-53 (Redmon and Farhadi 2018, table 1), and any other that its layers write.
"""

from collections.abc import Iterator, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from singleshot.backbones import darknet_settings as darknet
from singleshot.backbones.backbone import Backbone
from singleshot.backbones.darknet_layers import DarknetConvolution, DarknetPool, Reorg
from singleshot.backbones.darknet_settings import (
    Convolutional,
    DarknetLayer,
    DarknetSettings,
    Maxpool,
    Route,
    Shortcut,
    Upsample,
    absolute,
)
from singleshot.errors import ModelError

__all__ = ["DARKNET19", "DARKNET53", "EXTRACTION", "DarknetBackbone", "conv"]

Layers = tuple[DarknetLayer, ...]


def conv(channels: int, kernel: int = 3, stride: int = 1) -> Convolutional:
    """A convolution that keeps the map's size but for the stride."""
    return Convolutional(channels=channels, kernel=kernel, stride=stride, padding=kernel // 2)


def residual(channels: int, blocks: int) -> Layers:
    """A stage of Darknet-53: half the size, then blocks that add to what they take."""
    block = (conv(channels // 2, 1), conv(channels), Shortcut(other=-3))
    return (conv(channels, stride=2), *block * blocks)


POOL = Maxpool()

EXTRACTION: Layers = (
    *(conv(64, 7, stride=2), POOL),
    *(conv(192), POOL),
    *(conv(128, 1), conv(256), conv(256, 1), conv(512), POOL),
    *(conv(256, 1), conv(512)) * 4,
    *(conv(512, 1), conv(1024), POOL),
    *(conv(512, 1), conv(1024)) * 2,
)

DARKNET19: Layers = (
    *(conv(32), POOL),
    *(conv(64), POOL),
    *(conv(128), conv(64, 1), conv(128), POOL),
    *(conv(256), conv(128, 1), conv(256), POOL),
    *(conv(512), conv(256, 1), conv(512), conv(256, 1), conv(512), POOL),
    *(conv(1024), conv(512, 1), conv(1024), conv(512, 1), conv(1024)),
)

DARKNET53: Layers = (
    conv(32),
    *residual(64, 1),
    *residual(128, 2),
    *residual(256, 8),
    *residual(512, 8),
    *residual(1024, 4),
)

# The layers that detectors take, besides: the last of a size.
NETWORKS: dict[str, tuple[Layers, tuple[int, ...]]] = {
    "extraction": (EXTRACTION, (len(EXTRACTION) - 1,)),
    "darknet19": (DARKNET19, (16, 22)),
    "darknet53": (DARKNET53, (36, 61, 74)),
}


class DarknetBackbone(Backbone):
    """Runs layers in their order; `layers` has Darknet's numbers.

    Without the classifier that Darknet trains them with. Running statistics of batch norm move by
    a tenth a step, where Darknet's move by a hundredth: short trainings have them in time.
    """

    pixel_mean = (0.0, 0.0, 0.0)
    pixel_std = (255.0, 255.0, 255.0)

    def __init__(self, settings: DarknetSettings) -> None:
        """Raises ModelError for a layer that does not fit what it takes."""
        super().__init__()
        layers, outputs = (settings.layers, settings.outputs)
        if not layers:
            layers, outputs = NETWORKS[settings.name]
        self.plan = [widened(layer, settings.width) for layer in layers]
        self.sources = [
            tuple(absolute(source, number) for source in layer.sources)
            for number, layer in enumerate(self.plan)
        ]
        self.outputs = outputs
        channels: list[int] = []
        self.layers = nn.ModuleList()
        for number, layer in enumerate(self.plan):
            taken = [channels[source] if source >= 0 else 3 for source in self.sources[number]]
            self.layers.append(module_of(layer, taken, f"layer {number} ({layer.layer})"))
            channels.append(channels_after(layer, taken))
        self.channels = tuple(channels[number] for number in outputs)
        self.spent = list(last_uses(self.sources, outputs))

    def forward(self, images: Float[Tensor, "b 3 h w"]) -> list[Tensor]:
        """One feature map for each output."""
        values = {-1: images}
        for number, layer in enumerate(self.layers):
            values[number] = layer(*(values[source] for source in self.sources[number]))
            for source in self.spent[number]:
                del values[source]
        return [values[number] for number in self.outputs]


def widened(layer: DarknetLayer, width: float) -> DarknetLayer:
    """With so many times the channels, a multiple of 8 where that changes them."""
    if width == 1 or not isinstance(layer, Convolutional):
        return layer
    return layer.model_copy(update={"channels": max(8 * round(layer.channels * width / 8), 8)})


def channels_after(layer: DarknetLayer, taken: Sequence[int]) -> int:
    """Channels of its output."""
    match layer:
        case Convolutional(channels=channels):
            return channels
        case Route():
            return sum(taken)
        case darknet.Reorg(stride=stride):
            return taken[0] * stride**2
    return taken[0]


def module_of(layer: DarknetLayer, taken: Sequence[int], place: str) -> nn.Module:
    """What computes it, of maps with so many channels."""
    match layer:
        case Convolutional(groups=groups):
            if taken[0] % groups or layer.channels % groups:
                raise ModelError(f"{place}: {taken[0]} channels do not divide into {groups} groups")
            return DarknetConvolution(taken[0], layer)
        case Maxpool():
            return DarknetPool(layer)
        case Upsample(stride=stride):
            return nn.Upsample(scale_factor=stride, mode="nearest")
        case Route():
            return Together()
        case Shortcut():
            if taken[0] != taken[1]:
                raise ModelError(f"{place} adds maps of {taken[0]} and {taken[1]} channels")
            return Sum()
        case darknet.Reorg(stride=stride):
            if taken[0] % stride**2:
                raise ModelError(f"{place}: {taken[0]} channels do not divide by {stride**2}")
            return Reorg(stride)


class Together(nn.Module):
    """Channels one after the other."""

    def forward(self, *features: Tensor) -> Tensor:
        """As many channels as all have together."""
        return torch.cat(features, dim=1)


class Sum(nn.Module):
    """Of two maps."""

    def forward(self, features: Tensor, others: Tensor) -> Tensor:
        """The same shape."""
        return features + others


def last_uses(sources: Sequence[Sequence[int]], outputs: Sequence[int]) -> Iterator[list[int]]:
    """For each layer the outputs that nothing after it takes, so that their memory is free."""
    last = {source: number for number, taken in enumerate(sources) for source in taken}
    for number in range(len(sources)):
        yield [
            source
            for source, last_number in last.items()
            if last_number == number and source not in outputs
        ]
