"""The table `model.backbone` of Darknet's networks, by name or layer by layer.

Layers are Darknet's sections (pjreddie/darknet, src/parser.c) in our words. A layer has the number
of its place, from 0; others are named by it, or counted back from the layer itself, as -1 for the
one before.
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
]


class PlainLayer(Settings):
    """A layer that takes the one before it."""

    @property
    def sources(self) -> tuple[int, ...]:
        """The layers that it takes the output of."""
        return (-1,)


class Convolutional(PlainLayer):
    """A convolution, its batch norm and its activation."""

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
    """The greatest value of each window."""

    layer: Literal["maxpool"] = "maxpool"
    kernel: Count = 2
    stride: Count = 2
    padding: int = Field(
        1, ge=0, description="rows and columns in all, of which the smaller half comes before"
    )


class Reorg(PlainLayer):
    """Each square of stride × stride places as one place with more channels."""

    layer: Literal["reorg"] = "reorg"
    stride: Count = 2


class Upsample(PlainLayer):
    """Each place as a square of stride × stride."""

    layer: Literal["upsample"] = "upsample"
    stride: Count = 2


class Route(Settings):
    """The channels of layers, one after the other."""

    layer: Literal["route"] = "route"
    layers: tuple[int, ...] = Field(min_length=1)

    @property
    def sources(self) -> tuple[int, ...]:
        """The layers that it takes the output of."""
        return self.layers


class Shortcut(Settings):
    """The sum of the layer before it and of another."""

    layer: Literal["shortcut"] = "shortcut"
    other: int

    @property
    def sources(self) -> tuple[int, ...]:
        """The layers that it takes the output of."""
        return (-1, self.other)


DarknetLayer = Annotated[
    Convolutional | Maxpool | Reorg | Upsample | Route | Shortcut, Field(discriminator="layer")
]

NAMED = ("extraction", "darknet19", "darknet53")


class DarknetSettings(BackboneSettings):
    """A network of Darknet's."""

    kind: Literal["darknet"] = "darknet"
    name: str = Field(
        description="'extraction': YOLO's first 20 convolutions, 'darknet19', 'darknet53'; with "
        "layers, any name"
    )
    layers: tuple[DarknetLayer, ...] = Field((), description="left out, those of the name")
    outputs: tuple[int, ...] = Field(
        (), description="the layers whose outputs are the levels, finest first; with layers"
    )
    width: Positive = Field(1.0, description="channels of each layer, times this")
    weights: str = Field(
        "none", description="'none', or a Darknet file: .weights or .conv.N, of these layers first"
    )

    @model_validator(mode="after")
    def layers_are_known(self) -> DarknetSettings:
        """By name, or one by one, each taking what is above it."""
        if not self.layers:
            if self.name not in NAMED:
                raise ValueError(f"name is {', '.join(NAMED)}, or layers are given")
            return self
        for number, layer in enumerate(self.layers):
            for source in layer.sources:
                # The first layer takes the image, which is as -1 from there.
                lowest = -1 if isinstance(layer, PlainLayer) else 0
                if not lowest <= absolute(source, number) < number:
                    raise ValueError(f"layer {number} takes layer {source}, which is not above")
        if not self.outputs or not all(0 <= out < len(self.layers) for out in self.outputs):
            raise ValueError(f"outputs are numbers of layers, from 0 to {len(self.layers) - 1}")
        return self


def absolute(source: int, number: int) -> int:
    """The place of a layer that the one at `number` names."""
    return source if source >= 0 else number + source
