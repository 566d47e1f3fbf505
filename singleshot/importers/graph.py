"""Writing a foreign network as a recipe's graph: layers, weights and predictors."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from singleshot.backbones.settings import (
    IMAGE,
    ConvolutionLayer,
    GraphLayer,
    GraphSettings,
    MergeLayer,
    PoolLayer,
    ReluLayer,
    ScaleLayer,
)
from singleshot.errors import ModelError

__all__ = ["FINE_TUNING", "GraphWriter", "LevelPredictor", "batch_norm_as_scale"]

# For pretrained weights: small steps, few of them, and their average.
FINE_TUNING: Mapping[str, Any] = {
    "epochs": 60,
    "batch_size": 16,
    "learning_rate": 1e-3,
    "average_decay": 0.995,
    "clip_gradient": 10.0,
    "schedule": {"kind": "cosine", "warm_up": 100},
}


class LevelPredictor(NamedTuple):
    """The convolution that predicts offsets or logits at a level."""

    feature: str  # its input
    weight: Tensor  # (outputs, channels, rows, columns)
    bias: Tensor


@dataclass
class GraphWriter:
    """Layers in the order they run, each with its weights, and the predictors at the end.

    Weights are in double precision until all scales are folded.
    """

    layers: dict[str, GraphLayer] = field(default_factory=dict)
    weights: dict[str, dict[str, Tensor]] = field(default_factory=dict)
    outputs: list[str] = field(default_factory=list)
    kernels: list[int] = field(default_factory=list)
    heads: dict[str, Tensor] = field(default_factory=dict)

    def add(self, layer: GraphLayer, weights: Mapping[str, Tensor] | None = None) -> None:
        """Add a layer; `weights` have the names of its module's parameters."""
        self.layers[layer.name] = layer
        self.weights[layer.name] = {
            kind: tensor.double() for kind, tensor in (weights or {}).items()
        }

    def add_level(self, offsets: LevelPredictor, logits: LevelPredictor) -> None:
        """Add the predictors of a level.

        If the two have different inputs, the level is their concatenation, and each convolution has
        weights of 0 for the other's input: the outputs are the same to the bit.
        """
        if offsets.feature != logits.feature:
            inputs = (offsets.feature, logits.feature)
            name = "_and_".join(inputs)
            self.add(MergeLayer(name=name, operation="concat", inputs=inputs))
            before, after = offsets.weight.shape[1], logits.weight.shape[1]
            offsets = LevelPredictor(name, _pad_channels(offsets.weight, (0, after)), offsets.bias)
            logits = LevelPredictor(name, _pad_channels(logits.weight, (before, 0)), logits.bias)
        kernel = max(offsets.weight.shape[-1], logits.weight.shape[-1])
        level = len(self.outputs)
        for kind, predictor in (("offsets", offsets), ("logits", logits)):
            self.heads[f"heads.{kind}.{level}.weight"] = _pad_kernel(predictor.weight, kernel)
            self.heads[f"heads.{kind}.{level}.bias"] = predictor.bias
        self.outputs.append(offsets.feature)
        self.kernels.append(kernel)

    def take_rgb(self) -> None:
        """Reverse the channels of the first layers' weights, from blue, green, red to RGB."""
        reversed_order = {IMAGE}
        for layer in self.layers.values():
            if reversed_order.isdisjoint(layer.sources):
                continue
            weights = self.weights[layer.name]
            match layer:
                case ConvolutionLayer(groups=1):
                    weights["weight"] = weights["weight"].flip(1)
                case ScaleLayer():
                    weights.update({kind: tensor.flip(0) for kind, tensor in weights.items()})
                    reversed_order.add(layer.name)
                case ReluLayer() | PoolLayer():
                    reversed_order.add(layer.name)
                case _:
                    raise ModelError(
                        f"layer {layer.name!r} ({layer.operation}) has the image as input, whose "
                        f"channels are blue, green, red; expected a convolution without groups"
                    )

    def fold_scales(self) -> None:
        """Fold each factor and shift into the layer before it, if that has no other consumer.

        A folded network computes the same with less memory traffic, and can be trained on small
        batches. A scale after a sum or an activation stays.
        """
        for name in [name for name, layer in self.layers.items() if isinstance(layer, ScaleLayer)]:
            (source,) = self.layers[name].sources
            linear = isinstance(self.layers.get(source), ConvolutionLayer | ScaleLayer)
            if linear and self.uses(source) == 1:
                self.fold(source, name)

    def uses(self, name: str) -> int:
        """Count the consumers of a layer's output."""
        consumed = chain(self.outputs, *(layer.sources for layer in self.layers.values()))
        return sum(source == name for source in consumed)

    def fold(self, source: str, scale: str) -> None:
        """Fold a scale into the layer before it, and replace it by that layer."""
        factor, shift = self.weights[scale]["weight"], self.weights[scale]["bias"]
        inside = self.weights[source]
        if len(inside["weight"]) != len(factor):
            raise ModelError(
                f"layer {scale!r} has {len(factor)} channels and {source!r} before it "
                f"{len(inside['weight'])}; its weights are of another network"
            )
        ones = [1] * (inside["weight"].dim() - 1)
        inside["weight"] = inside["weight"] * factor.reshape(-1, *ones)
        inside["bias"] = inside.get("bias", torch.zeros_like(shift)) * factor + shift
        if isinstance(self.layers[source], ConvolutionLayer):
            self.layers[source] = self.layers[source].model_copy(update={"bias": True})
        del self.layers[scale], self.weights[scale]
        self.layers = {
            name: _with_source(layer, scale, source) for name, layer in self.layers.items()
        }
        self.outputs = [source if name == scale else name for name in self.outputs]

    def settings(self, name: str) -> GraphSettings:
        """Build the recipe's table."""
        return GraphSettings(
            name=name, layers=tuple(self.layers.values()), outputs=tuple(self.outputs)
        )

    def state(self) -> dict[str, Tensor]:
        """Collect the weights under the names of our detector."""
        backbone = {
            f"backbone.layers.{name}.{kind}": tensor
            for name, weights in self.weights.items()
            for kind, tensor in weights.items()
        }
        return {name: tensor.float() for name, tensor in {**backbone, **self.heads}.items()}


def _with_source(layer: GraphLayer, old: str, new: str) -> GraphLayer:
    """Replace an input of a layer."""
    if old not in layer.sources:
        return layer
    if isinstance(layer, MergeLayer):
        inputs = tuple(new if source == old else source for source in layer.inputs)
        return layer.model_copy(update={"inputs": inputs})
    return layer.model_copy(update={"input": new})


def _pad_channels(weight: Tensor, channels: tuple[int, int]) -> Tensor:
    """Add input channels with weight 0 before and after those of a convolution."""
    return F.pad(weight, (0, 0, 0, 0, *channels))


def _pad_kernel(weight: Tensor, kernel: int) -> Tensor:
    """Enlarge the kernel of a convolution with zeros around it."""
    margin = (kernel - weight.shape[-1]) // 2
    return F.pad(weight, (margin,) * 4)


def batch_norm_as_scale(
    mean: Tensor, variance: Tensor, epsilon: float, learned: Sequence[Tensor] = ()
) -> dict[str, Tensor]:
    """Convert a trained batch norm; `learned` are its weight and bias, if any."""
    factor = (variance.double() + epsilon).rsqrt()
    shift = -mean.double() * factor
    if learned:
        weight, bias = (tensor.double() for tensor in learned)
        factor, shift = factor * weight, shift * weight + bias
    return {"weight": factor, "bias": shift}
