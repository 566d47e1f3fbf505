"""The table `model.backbone` of a network that no library has: its layers, one by one."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from singleshot.backbones.settings import BackboneSettings
from singleshot.settings import Count, Settings

__all__ = [
    "IMAGE",
    "ConvolutionLayer",
    "GraphSettings",
    "L2NormLayer",
    "Layer",
    "MergeLayer",
    "PoolLayer",
    "ReluLayer",
    "ScaleLayer",
]

IMAGE = "image"  # what the first layers take as their input

# A dot would split the names of the weights.
Name = Annotated[str, Field(pattern=r"^[^.\s]+$")]
Extent = Count | tuple[Count, Count]
Margin = Annotated[int, Field(ge=0)]


class FilterLayer(Settings):
    """A layer that changes one feature map."""

    name: Name
    input: str = Field(description="the layer whose output this one takes, or 'image'")

    @property
    def sources(self) -> tuple[str, ...]:
        """All layers that it takes the output of."""
        return (self.input,)


class ConvolutionLayer(FilterLayer):
    """A convolution; two numbers are those down and across."""

    operation: Literal["convolution"] = "convolution"
    channels: Count
    kernel: Extent
    stride: Extent = 1
    padding: Margin | tuple[Margin, Margin] = 0
    dilation: Extent = 1
    groups: Count = 1
    bias: bool = True


class ScaleLayer(FilterLayer):
    """A factor and a shift for each channel: what a batch norm is after the training."""

    operation: Literal["scale"] = "scale"


class ReluLayer(FilterLayer):
    """Nothing below 0."""

    operation: Literal["relu"] = "relu"


class PoolLayer(FilterLayer):
    """The largest or the average value of each window."""

    operation: Literal["max_pool", "average_pool"]
    kernel: Extent
    stride: Extent
    padding: Margin | tuple[Margin, Margin] = 0
    ceil_mode: bool = Field(
        False, description="whether a last window that reaches beyond the map counts"
    )


class L2NormLayer(FilterLayer):
    """The channels at each place scaled to length 1, then each by a learned factor."""

    operation: Literal["l2_norm"] = "l2_norm"


class MergeLayer(Settings):
    """The sum of several feature maps, or their channels one after the other."""

    name: Name
    operation: Literal["add", "concat"]
    inputs: tuple[str, ...] = Field(min_length=2)

    @property
    def sources(self) -> tuple[str, ...]:
        """All layers that it takes the output of."""
        return self.inputs


Layer = Annotated[
    ConvolutionLayer | ScaleLayer | ReluLayer | PoolLayer | L2NormLayer | MergeLayer,
    Field(discriminator="operation"),
]


class GraphSettings(BackboneSettings):
    """A network written down layer by layer, as importers do."""

    kind: Literal["graph"] = "graph"
    name: str = Field(description="for messages")
    weights: Literal["none"] = Field("none", description="they come with a checkpoint alone")
    layers: tuple[Layer, ...] = Field(description="each after those whose outputs it takes")
    outputs: tuple[str, ...] = Field(
        min_length=1, description="the layers whose outputs are the levels, by name, finest first"
    )

    @model_validator(mode="after")
    def names_are_known(self) -> GraphSettings:
        """Each layer has a name of its own and takes what is there."""
        known = {IMAGE}
        for layer in self.layers:
            if layer.name in known:
                raise ValueError(f"two layers are called {layer.name!r}")
            if missing := [source for source in layer.sources if source not in known]:
                raise ValueError(f"layer {layer.name!r} takes {missing[0]!r}, which is not above")
            known.add(layer.name)
        if missing := [name for name in self.outputs if name not in known]:
            raise ValueError(f"outputs has {missing[0]!r}, which is no layer")
        return self
