"""The table `model.backbone` of a network written layer by layer, as importers do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

from pydantic import Field, model_validator

from singleshot.backbones.settings import BackboneSettings
from singleshot.settings import Count, Settings

__all__ = [
    "IMAGE",
    "ConvolutionLayer",
    "GraphLayer",
    "GraphSettings",
    "L2NormLayer",
    "MergeLayer",
    "PoolLayer",
    "ReluLayer",
    "ScaleLayer",
]

IMAGE = "image"  # the input of the first layers

# A dot would split the names of the weights.
Name = Annotated[str, Field(pattern=r"^[^.\s]+$")]
Extent = Count | tuple[Count, Count]
Margin = Annotated[int, Field(ge=0)]


class FilterLayer(Settings):
    """A layer that changes one feature map."""

    name: Name
    input: str = Field(description="the layer whose output is the input of this one, or 'image'")

    @property
    def sources(self) -> tuple[str, ...]:
        """Names of the layers that are its inputs."""
        return (self.input,)


class ConvolutionLayer(FilterLayer):
    """A convolution; of two numbers the first is vertical."""

    operation: Literal["convolution"] = "convolution"
    channels: Count
    kernel: Extent
    stride: Extent = 1
    padding: Margin | tuple[Margin, Margin] = 0
    dilation: Extent = 1
    groups: Count = 1
    bias: bool = True


class ScaleLayer(FilterLayer):
    """A factor and a shift for each channel: a batch norm after training."""

    operation: Literal["scale"] = "scale"


class ReluLayer(FilterLayer):
    """max(x, 0)."""

    operation: Literal["relu"] = "relu"


class PoolLayer(FilterLayer):
    """Max or average pooling."""

    operation: Literal["max_pool", "average_pool"]
    kernel: Extent
    stride: Extent
    padding: Margin | tuple[Margin, Margin] = 0
    ceil_mode: bool = Field(False, description="include a last window that reaches beyond the map")


class L2NormLayer(FilterLayer):
    """L2 normalisation over channels at each position, with a learned factor per channel."""

    operation: Literal["l2_norm"] = "l2_norm"


class MergeLayer(Settings):
    """The sum of several feature maps, or their concatenation along channels."""

    name: Name
    operation: Literal["add", "concat"]
    inputs: tuple[str, ...] = Field(min_length=2)

    @property
    def sources(self) -> tuple[str, ...]:
        """Names of the layers that are its inputs."""
        return self.inputs


GraphLayer = Annotated[
    ConvolutionLayer | ScaleLayer | ReluLayer | PoolLayer | L2NormLayer | MergeLayer,
    Field(discriminator="operation"),
]


class GraphSettings(BackboneSettings):
    """A network written layer by layer, as importers do."""

    kind: Literal["graph"] = "graph"
    name: str = Field(description="used in messages")
    weights: Literal["none"] = Field("none", description="weights are in the checkpoint only")
    layers: tuple[GraphLayer, ...] = Field(description="each after its inputs")
    outputs: tuple[str, ...] = Field(
        min_length=1, description="the layers whose outputs are the levels, by name, finest first"
    )

    @model_validator(mode="after")
    def names_are_known(self) -> GraphSettings:
        """Check that names are unique and that inputs come before their layer."""
        known = {IMAGE}
        for layer in self.layers:
            if layer.name in known:
                raise ValueError(f"two layers are named {layer.name!r}")
            if missing := [source for source in layer.sources if source not in known]:
                raise ValueError(
                    f"layer {layer.name!r} has the input {missing[0]!r}, which is not above it"
                )
            known.add(layer.name)
        if missing := [name for name in self.outputs if name not in known]:
            raise ValueError(f"outputs has {missing[0]!r}, which is not a layer")
        return self

    @property
    def widths(self) -> Sequence[int]:
        """Channels of the convolutions, unless sums, concatenations or groups tie them."""
        for layer in self.layers:
            if isinstance(layer, MergeLayer):
                return ()
            if isinstance(layer, ConvolutionLayer) and layer.groups > 1:
                return ()
        return [layer.channels for layer in self.layers if isinstance(layer, ConvolutionLayer)]

    def with_widths(self, widths: Sequence[int]) -> Mapping[str, object]:
        """Return `layers` with convolutions of so many channels."""
        left = iter(widths)
        layers = [
            layer.model_copy(update={"channels": next(left)})
            if isinstance(layer, ConvolutionLayer)
            else layer
            for layer in self.layers
        ]
        return {"layers": [layer.model_dump() for layer in layers]}
