"""The table `model.backbone`, for each kind of backbone.

A graph is written layer by layer, as importers do. Darknet's layers are its sections
(pjreddie/darknet, src/parser.c): a layer has the number of its position, from 0; others refer to it
by that number, or counted back from themselves, as -1 for the layer before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from singleshot.settings import Count, Positive, Settings

__all__ = [
    "IMAGE",
    "VGG16_CHANNELS",
    "BackboneSettings",
    "ClassifierSettings",
    "ConvolutionLayer",
    "Convolutional",
    "DarknetLayer",
    "DarknetSettings",
    "GraphLayer",
    "GraphSettings",
    "HogSettings",
    "L2NormLayer",
    "Maxpool",
    "MergeLayer",
    "PoolLayer",
    "ReluLayer",
    "Reorg",
    "Route",
    "ScaleLayer",
    "Shortcut",
    "TimmSettings",
    "TorchvisionSettings",
    "Upsample",
    "Vgg16Settings",
    "VggPixels",
    "absolute",
]

VggPixels = Literal["caffe", "torchvision"]
Argument = bool | int | float | str


class BackboneSettings(Settings):
    """Keys that every kind of backbone has."""

    kind: str
    name: str = Field(description="of the network, for messages")
    weights: str = Field("none", description="'none', or the weights to start from")

    @property
    def widths(self) -> Sequence[int]:
        """Channels of each layer that may have fewer; none, as here, where widths are tied."""
        return ()

    def with_widths(self, widths: Sequence[int]) -> Mapping[str, object]:
        """Return the keys of this table that give each of these layers so many channels."""
        assert not widths
        return {}


# Of the 13 convolutions, fc6 and fc7.
VGG16_CHANNELS = (64, 64, 128, 128, *(256,) * 3, *(512,) * 6, 1024, 1024)


class Vgg16Settings(BackboneSettings):
    """The paper's VGG16: fc6 and fc7 as convolutions, conv4_3 normalised (§3, §3.1)."""

    kind: Literal["vgg16"] = "vgg16"
    name: Literal["vgg16-reduced"] = "vgg16-reduced"
    conv4_3: Literal["l2-norm", "batch-norm"] = Field(
        "l2-norm",
        description="normalisation to the magnitude of the levels above; 'l2-norm': the paper's",
    )
    channels: tuple[Count, ...] = Field(
        VGG16_CHANNELS,
        min_length=len(VGG16_CHANNELS),
        max_length=len(VGG16_CHANNELS),
        description="of the 13 convolutions, fc6 and fc7; fewer than the paper's after train "
        "--prune",
    )
    pixels: VggPixels = Field(
        "caffe",
        description="of the weights' ImageNet training: 'caffe', the original's: less their mean; "
        "'torchvision': divided by their deviation as well, as its whole vgg16 expects",
    )
    weights: str = Field(
        "none",
        description="'none', or a file of ImageNet's VGG16: vgg16_reducedfc.pth, a .caffemodel, "
        "torchvision's or timm's; fc6 and fc7 of a whole one are decimated as the original's",
    )

    @property
    def widths(self) -> Sequence[int]:
        """Channels of all layers: each is the input of the next alone."""
        return self.channels

    def with_widths(self, widths: Sequence[int]) -> Mapping[str, object]:
        """Return `channels`."""
        return {"channels": tuple(widths)}


class HogSettings(BackboneSettings):
    """Histograms of oriented gradients (Dalal and Triggs 2005), without trainable weights."""

    kind: Literal["hog"] = "hog"
    name: Literal["hog"] = "hog"
    weights: Literal["computed"] = Field("computed", description="there are no trainable weights")


class ClassifierSettings(BackboneSettings):
    """A classification network, cut at the layers that give the feature maps."""

    name: str = Field(description="name of the network in the library")
    nodes: tuple[str, ...] = Field(
        (), description="the layers whose outputs are the levels, by name, finest first"
    )
    arguments: dict[str, Argument | tuple[Argument, ...]] = Field(
        {}, description="further arguments of the library's constructor"
    )
    weights: str = Field("none", description="'none', or a file")
    batch_norm: Literal["train", "frozen"] = Field(
        "train",
        description="'frozen' keeps the pretrained statistics and folds them into the convolutions",
    )
    frozen_stride: int = Field(
        0, ge=0, description="stages up to this stride keep pretrained weights; 0: all learn"
    )


class TimmSettings(ClassifierSettings):
    """Any timm model with feature maps."""

    kind: Literal["timm"] = "timm"
    strides: tuple[Count, ...] = Field(
        (16, 32), description="strides of the feature maps, where no nodes are given"
    )
    weights: str = Field(
        "installed", description="'installed' (a package that carries them), 'none', or a file"
    )

    @field_validator("strides")
    @classmethod
    def finest_first(cls, strides: tuple[int, ...]) -> tuple[int, ...]:
        """Check that levels go from fine to coarse."""
        if list(strides) != sorted(set(strides)) or not strides:
            raise ValueError("strides rise, as in [8, 16, 32]")
        return strides


class TorchvisionSettings(ClassifierSettings):
    """Any of torchvision's classification models, cut at layers that are named."""

    kind: Literal["torchvision"] = "torchvision"
    first_pooling: Literal["library", "ceil"] = Field(
        "library",
        description="of a ResNet: 'ceil': without padding, rounding up, as in Caffe's, so that 321 "
        "pixels become 40 cells",
    )

    @model_validator(mode="after")
    def nodes_are_named(self) -> TorchvisionSettings:
        """Check that layers are named: torchvision does not list strides."""
        if not self.nodes:
            raise ValueError("give nodes: the layers whose outputs are the levels")
        return self


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
