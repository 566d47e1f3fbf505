"""A network that a recipe describes layer by layer."""

from collections.abc import Iterator, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from typing_extensions import assert_never

from singleshot.backbones.backbone import Backbone
from singleshot.backbones.initial import caffe_xavier
from singleshot.backbones.settings import (
    IMAGE,
    ConvolutionLayer,
    GraphLayer,
    GraphSettings,
    L2NormLayer,
    MergeLayer,
    PoolLayer,
    ReluLayer,
    ScaleLayer,
)
from singleshot.backbones.vgg import L2Norm
from singleshot.errors import ModelError

__all__ = ["Add", "Concat", "GraphBackbone"]


class GraphBackbone(Backbone):
    """A backbone of given layers, under their names."""

    # Pixels are normalised only if the recipe has `model.pixels`.
    pixel_mean = (0.0, 0.0, 0.0)
    pixel_std = (1.0, 1.0, 1.0)

    def __init__(self, layers: Sequence[GraphLayer], outputs: Sequence[str]) -> None:
        """Each layer comes after its inputs; `outputs` name the feature maps, finest first.

        Raises ModelError for a layer that does not fit its inputs.
        """
        super().__init__()
        self.graph, self.outputs = tuple(layers), tuple(outputs)
        self.layers = nn.ModuleDict()
        channels = {IMAGE: 3}
        for layer in self.graph:
            widths = [channels[source] for source in layer.sources]
            channels[layer.name] = _channels_after(layer, widths)
            self.layers[layer.name] = _create_module(layer, widths[0])
        self.channels = tuple(channels[name] for name in self.outputs)
        self.spent = list(_last_uses(self.graph, self.outputs))
        self.apply(caffe_xavier)

    @classmethod
    def from_settings(cls, settings: GraphSettings) -> "GraphBackbone":
        """Build the network that a table `model.backbone` describes."""
        return cls(settings.layers, settings.outputs)

    def forward(self, images: Float[Tensor, "b 3 h w"]) -> list[Tensor]:
        """Compute a feature map for each output."""
        values = {IMAGE: images}
        for layer, spent in zip(self.graph, self.spent, strict=True):
            inputs = [values[source] for source in layer.sources]
            values[layer.name] = self.layers[layer.name](*inputs)
            for name in spent:
                del values[name]
        return [values[name] for name in self.outputs]


def _last_uses(layers: Sequence[GraphLayer], outputs: Sequence[str]) -> Iterator[list[str]]:
    """List, for each layer, the values that no later layer needs, to free their memory."""
    for number, layer in enumerate(layers):
        later = {source for other in layers[number + 1 :] for source in other.sources}
        later |= set(outputs)
        yield [source for source in dict.fromkeys(layer.sources) if source not in later]


def _channels_after(layer: GraphLayer, widths: Sequence[int]) -> int:
    """Count the channels of its output."""
    if isinstance(layer, ConvolutionLayer):
        return layer.channels
    if isinstance(layer, MergeLayer) and layer.operation == "concat":
        return sum(widths)
    if len(set(widths)) > 1:
        raise ModelError(f"layer {layer.name!r} adds feature maps of {list(widths)} channels")
    return widths[0]


def _create_module(layer: GraphLayer, channels: int) -> nn.Module:
    """Create the module of a layer; `channels` are those of its first input."""
    module: nn.Module
    match layer:
        case ConvolutionLayer():
            module = _create_convolution(layer, channels)
        case ScaleLayer():
            module = ChannelScale(channels)
        case ReluLayer():
            module = nn.ReLU()
        case PoolLayer():
            module = _create_pooling(layer)
        case L2NormLayer():
            module = L2Norm(channels, scale=20.0)
        case MergeLayer():
            module = Add() if layer.operation == "add" else Concat()
        case _:
            assert_never(layer)
    return module


def _create_pooling(layer: PoolLayer) -> nn.Module:
    kind = nn.MaxPool2d if layer.operation == "max_pool" else nn.AvgPool2d
    return kind(layer.kernel, layer.stride, layer.padding, ceil_mode=layer.ceil_mode)


def _create_convolution(layer: ConvolutionLayer, in_channels: int) -> nn.Conv2d:
    if in_channels % layer.groups or layer.channels % layer.groups:
        raise ModelError(
            f"layer {layer.name!r}: {in_channels} channels in and {layer.channels} out do not "
            f"divide into {layer.groups} groups"
        )
    return nn.Conv2d(
        in_channels,
        layer.channels,
        layer.kernel,
        layer.stride,
        layer.padding,
        layer.dilation,
        layer.groups,
        layer.bias,
    )


class ChannelScale(nn.Module):
    """A factor and a shift for each channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, features: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """Scale and shift; the shape stays."""
        return features * self.weight[:, None, None] + self.bias[:, None, None]


class Add(nn.Module):
    """The sum of feature maps."""

    def forward(self, first: Tensor, *others: Tensor) -> Tensor:
        """Add maps of one shape."""
        for other in others:
            first = first + other
        return first


class Concat(nn.Module):
    """Concatenation along channels."""

    def forward(self, *features: Tensor) -> Tensor:
        """Concatenate maps of one size."""
        return torch.cat(features, dim=1)
