"""The table `model.backbone` of Darknet's networks.

A network's layers are the sections of its file (pjreddie/darknet, src/parser.c): a layer has the
number of its position, from 0; others refer to it by that number, or counted back from themselves,
as -1 for the layer before.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from singleshot.backbones.settings import BackboneSettings
from singleshot.settings import Count, Positive, Settings

__all__ = [
    "Convolutional",
    "DarknetLayer",
    "DarknetSettings",
    "Maxpool",
    "Reorg",
    "Route",
    "Shortcut",
    "Upsample",
    "absolute",
]


class PlainLayer(Settings):
    """A layer whose input is the one before it."""

    @property
    def sources(self) -> tuple[int, ...]:
        """Numbers of the layers that are its inputs."""
        return (-1,)


class Convolutional(PlainLayer):
    """A convolution with batch norm and activation."""

    layer: Literal["convolutional"] = "convolutional"
    channels: Count
    kernel: Count = 3
    stride: Count = 1
    padding: int = Field(1, ge=0)
    groups: Count = 1
    batch_norm: bool = Field(True, description="without it, the convolution has a bias")
    activation: Literal["leaky", "linear", "relu"] = Field(
        "leaky", description="'leaky': a tenth of what is below 0"
    )


class Maxpool(PlainLayer):
    """Max pooling."""

    layer: Literal["maxpool"] = "maxpool"
    kernel: Count = 2
    stride: Count = 2
    padding: int = Field(
        1, ge=0, description="rows and columns in all; the smaller half comes before"
    )


class Reorg(PlainLayer):
    """Space to depth: stride × stride positions become channels."""

    layer: Literal["reorg"] = "reorg"
    stride: Count = 2


class Upsample(PlainLayer):
    """Nearest-neighbour upsampling."""

    layer: Literal["upsample"] = "upsample"
    stride: Count = 2


class Route(Settings):
    """The concatenation of layers along channels."""

    layer: Literal["route"] = "route"
    layers: tuple[int, ...] = Field(min_length=1)

    @property
    def sources(self) -> tuple[int, ...]:
        """Numbers of the layers that are its inputs."""
        return self.layers


class Shortcut(Settings):
    """The sum of the layer before it and another."""

    layer: Literal["shortcut"] = "shortcut"
    other: int

    @property
    def sources(self) -> tuple[int, ...]:
        """Numbers of the layers that are its inputs."""
        return (-1, self.other)


DarknetLayer = Annotated[
    Convolutional | Maxpool | Reorg | Upsample | Route | Shortcut, Field(discriminator="layer")
]


DARKNETS = ("extraction", "darknet19", "darknet53")


class DarknetSettings(BackboneSettings):
    """One of Darknet's networks, by name or layer by layer."""

    kind: Literal["darknet"] = "darknet"
    name: str = Field(
        description="'extraction': YOLO's first 20 convolutions, 'darknet19' or 'darknet53'; any "
        "name where layers are given"
    )
    layers: tuple[DarknetLayer, ...] = Field((), description="left out, those of the name")
    outputs: tuple[int, ...] = Field(
        (), description="numbers of the layers that are the levels, finest first; with layers"
    )
    width: Positive = Field(1.0, description="channels of each layer, times this")
    weights: str = Field(
        "none", description="'none', or a Darknet file: .weights or .conv.N, of these layers first"
    )

    @model_validator(mode="after")
    def layers_are_known(self) -> DarknetSettings:
        """Check the name, or that inputs come before their layer."""
        if not self.layers:
            if self.name not in DARKNETS:
                raise ValueError(f"name is {', '.join(DARKNETS)}, or layers are given")
            return self
        for number, layer in enumerate(self.layers):
            for source in layer.sources:
                # The input of the first layer is the image, which is -1 from there.
                lowest = -1 if isinstance(layer, PlainLayer) else 0
                if not lowest <= absolute(source, number) < number:
                    raise ValueError(
                        f"layer {number} has the input {source}, which is not above it"
                    )
        if not self.outputs or not all(0 <= out < len(self.layers) for out in self.outputs):
            raise ValueError(f"outputs are numbers of layers, from 0 to {len(self.layers) - 1}")
        return self


def absolute(source: int, number: int) -> int:
    """Convert the reference of layer `number` to another into that layer's number."""
    return source if source >= 0 else number + source
