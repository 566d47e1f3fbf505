"""Darknet's networks, the backbones of YOLO.

The 20 convolutions before YOLOv1's own (Redmon et al. 2016, fig. 3), Darknet-19 (Redmon and Farhadi
2017, table 6), Darknet-53 (Redmon and Farhadi 2018, table 1), and any other, layer by layer.
"""

from collections.abc import Iterator, Sequence

from jaxtyping import Float
from torch import Tensor, nn
from typing_extensions import assert_never

from singleshot.backbones.backbone import Backbone
from singleshot.backbones.darknet_layers import DarknetConvolution, DarknetPool, SpaceToDepth
from singleshot.backbones.graph import Add, Concat
from singleshot.backbones.settings import (
    Convolutional,
    DarknetLayer,
    DarknetSettings,
    Maxpool,
    Reorg,
    Route,
    Shortcut,
    Upsample,
    absolute,
)
from singleshot.errors import ModelError

__all__ = ["DARKNET19", "DARKNET53", "EXTRACTION", "DarknetBackbone", "conv"]

Layers = tuple[DarknetLayer, ...]


def conv(channels: int, kernel: int = 3, stride: int = 1) -> Convolutional:
    """Describe a convolution that keeps the map's size, divided by the stride."""
    return Convolutional(channels=channels, kernel=kernel, stride=stride, padding=kernel // 2)


def _residual_stage(channels: int, blocks: int) -> Layers:
    """Describe a stage of Darknet-53: half the size, then residual blocks."""
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
    *_residual_stage(64, 1),
    *_residual_stage(128, 2),
    *_residual_stage(256, 8),
    *_residual_stage(512, 8),
    *_residual_stage(1024, 4),
)

# Layers, and the numbers of those that detectors use: the last of a size.
NETWORKS: dict[str, tuple[Layers, tuple[int, ...]]] = {
    "extraction": (EXTRACTION, (len(EXTRACTION) - 1,)),
    "darknet19": (DARKNET19, (16, 22)),
    "darknet53": (DARKNET53, (36, 61, 74)),
}


class DarknetBackbone(Backbone):
    """A network of Darknet's without its classifier; `layers` has Darknet's numbers.

    Running statistics of batch norm move by a tenth per step, where Darknet's move by a hundredth,
    so that short trainings suffice for them.
    """

    pixel_mean = (0.0, 0.0, 0.0)
    pixel_std = (255.0, 255.0, 255.0)

    def __init__(
        self, layers: Sequence[DarknetLayer], outputs: Sequence[int], width: float = 1.0
    ) -> None:
        """`outputs` number the layers that are feature maps; channels are times `width`.

        Raises ModelError for a layer that does not fit its inputs.
        """
        super().__init__()
        self.plan = [_widen(layer, width) for layer in layers]
        self.sources = [
            tuple(absolute(source, number) for source in layer.sources)
            for number, layer in enumerate(self.plan)
        ]
        self.outputs = tuple(outputs)
        channels: list[int] = []
        self.layers = nn.ModuleList()
        for number, layer in enumerate(self.plan):
            taken = [channels[source] if source >= 0 else 3 for source in self.sources[number]]
            self.layers.append(_create_module(layer, taken, f"layer {number} ({layer.layer})"))
            channels.append(_channels_after(layer, taken))
        self.channels = tuple(channels[number] for number in outputs)
        self.spent = list(_last_uses(self.sources, outputs))

    @classmethod
    def from_settings(cls, settings: DarknetSettings) -> "DarknetBackbone":
        """Build the network that a table `model.backbone` names or gives layer by layer."""
        layers, outputs = settings.layers, settings.outputs
        if not layers:
            layers, outputs = NETWORKS[settings.name]
        return cls(layers, outputs, settings.width)

    def forward(self, images: Float[Tensor, "b 3 h w"]) -> list[Tensor]:
        """Compute a feature map for each output."""
        values = {-1: images}
        for number, layer in enumerate(self.layers):
            values[number] = layer(*(values[source] for source in self.sources[number]))
            for source in self.spent[number]:
                del values[source]
        return [values[number] for number in self.outputs]


def _widen(layer: DarknetLayer, width: float) -> DarknetLayer:
    """Multiply the channels of a layer by `width`, rounded to a multiple of 8."""
    if width == 1 or not isinstance(layer, Convolutional):
        return layer
    return layer.model_copy(update={"channels": max(8 * round(layer.channels * width / 8), 8)})


def _channels_after(layer: DarknetLayer, taken: Sequence[int]) -> int:
    """Count the channels of its output."""
    match layer:
        case Convolutional(channels=channels):
            return channels
        case Route():
            return sum(taken)
        case Reorg(stride=stride):
            return taken[0] * stride**2
        case Maxpool() | Upsample() | Shortcut():
            return taken[0]
        case _:
            assert_never(layer)


def _create_module(layer: DarknetLayer, taken: Sequence[int], place: str) -> nn.Module:
    """Create the module of a layer; `taken` are the channels of its inputs."""
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
            return Concat()
        case Shortcut():
            if taken[0] != taken[1]:
                raise ModelError(f"{place} adds maps of {taken[0]} and {taken[1]} channels")
            return Add()
        case Reorg(stride=stride):
            if taken[0] % stride**2:
                raise ModelError(f"{place}: {taken[0]} channels do not divide by {stride**2}")
            return SpaceToDepth(stride)
        case _:
            assert_never(layer)


def _last_uses(sources: Sequence[Sequence[int]], outputs: Sequence[int]) -> Iterator[list[int]]:
    """List, for each layer, the outputs that no later layer needs, to free their memory."""
    last = {source: number for number, taken in enumerate(sources) for source in taken}
    for number in range(len(sources)):
        yield [
            source
            for source, last_number in last.items()
            if last_number == number and source not in outputs
        ]
