"""A network being written down: layers and their weights, to become a recipe's graph."""

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

__all__ = ["FINE_TUNING", "GraphWriter", "Predictor", "batch_norm_as_scale"]

# Weights that know something already: gentle steps, few of them, and their average.
FINE_TUNING: Mapping[str, Any] = {
    "epochs": 60,
    "batch_size": 16,
    "learning_rate": 1e-3,
    "average_decay": 0.995,
    "clip_gradient": 10.0,
    "schedule": {"kind": "cosine", "warm_up": 100},
}


class Predictor(NamedTuple):
    """The convolution that says offsets or logits at a level."""

    feature: str  # the layer that it takes
    weight: Tensor  # (outputs, channels, rows, columns)
    bias: Tensor


@dataclass
class GraphWriter:
    """Layers in the order they run, each with its weights, and the predictors at the end.

    Weights are kept in double precision until all is folded.
    """

    layers: dict[str, GraphLayer] = field(default_factory=dict)
    weights: dict[str, dict[str, Tensor]] = field(default_factory=dict)
    outputs: list[str] = field(default_factory=list)
    kernels: list[int] = field(default_factory=list)
    heads: dict[str, Tensor] = field(default_factory=dict)

    def add(self, layer: GraphLayer, weights: Mapping[str, Tensor] | None = None) -> None:
        """One more layer; `weights` under the names that its module has for them."""
        self.layers[layer.name] = layer
        self.weights[layer.name] = {
            kind: tensor.double() for kind, tensor in (weights or {}).items()
        }

    def predict(self, offsets: Predictor, logits: Predictor) -> None:
        """One more level.

        Where the two take different features, the level is both side by side, and each convolution
        has weights of 0 for what it does not look at: the outputs are the same to the bit.
        """
        if offsets.feature != logits.feature:
            inputs = (offsets.feature, logits.feature)
            name = "_and_".join(inputs)
            self.add(MergeLayer(name=name, operation="concat", inputs=inputs))
            before, after = offsets.weight.shape[1], logits.weight.shape[1]
            offsets = Predictor(name, with_zeros(offsets.weight, (0, after)), offsets.bias)
            logits = Predictor(name, with_zeros(logits.weight, (before, 0)), logits.bias)
        kernel = max(offsets.weight.shape[-1], logits.weight.shape[-1])
        level = len(self.outputs)
        for kind, predictor in (("offsets", offsets), ("logits", logits)):
            self.heads[f"heads.{kind}.{level}.weight"] = widened(predictor.weight, kernel)
            self.heads[f"heads.{kind}.{level}.bias"] = predictor.bias
        self.outputs.append(offsets.feature)
        self.kernels.append(kernel)

    def take_rgb(self) -> None:
        """Turn round what looks at the channels of the image, which were blue, green, red."""
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
                        f"layer {layer.name!r} ({layer.operation}) takes the image itself, whose "
                        f"channels are blue, green, red; expected a convolution without groups"
                    )

    def fold_scales(self) -> None:
        """Put each factor and shift into the layer before it, if nothing else takes that one.

        A folded network computes the same with less memory traffic, and learns on small batches. A
        scale stays where a sum or an activation is before it.
        """
        for name in [name for name, layer in self.layers.items() if isinstance(layer, ScaleLayer)]:
            (source,) = self.layers[name].sources
            linear = isinstance(self.layers.get(source), ConvolutionLayer | ScaleLayer)
            if linear and self.uses(source) == 1:
                self.fold(source, name)

    def uses(self, name: str) -> int:
        """How often the output of a layer is taken."""
        taken = chain(self.outputs, *(layer.sources for layer in self.layers.values()))
        return sum(source == name for source in taken)

    def fold(self, source: str, scale: str) -> None:
        """Let the layer before do the scale's work, and take its place."""
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
            name: with_source(layer, scale, source) for name, layer in self.layers.items()
        }
        self.outputs = [source if name == scale else name for name in self.outputs]

    def settings(self, name: str) -> GraphSettings:
        """The recipe's table."""
        return GraphSettings(
            name=name, layers=tuple(self.layers.values()), outputs=tuple(self.outputs)
        )

    def state(self) -> dict[str, Tensor]:
        """The weights under the names of our detector."""
        backbone = {
            f"backbone.layers.{name}.{kind}": tensor
            for name, weights in self.weights.items()
            for kind, tensor in weights.items()
        }
        return {name: tensor.float() for name, tensor in {**backbone, **self.heads}.items()}


def with_source(layer: GraphLayer, old: str, new: str) -> GraphLayer:
    """The same layer, which takes another one's output."""
    if old not in layer.sources:
        return layer
    if isinstance(layer, MergeLayer):
        inputs = tuple(new if source == old else source for source in layer.inputs)
        return layer.model_copy(update={"inputs": inputs})
    return layer.model_copy(update={"input": new})


def with_zeros(weight: Tensor, channels: tuple[int, int]) -> Tensor:
    """A convolution that does not look at so many channels before and after its own."""
    return F.pad(weight, (0, 0, 0, 0, *channels))


def widened(weight: Tensor, kernel: int) -> Tensor:
    """The same convolution with a larger kernel, 0 around the smaller one."""
    margin = (kernel - weight.shape[-1]) // 2
    return F.pad(weight, (margin,) * 4)


def batch_norm_as_scale(
    mean: Tensor, variance: Tensor, epsilon: float, learned: Sequence[Tensor] = ()
) -> dict[str, Tensor]:
    """What a batch norm does after the training; `learned` is its factor and its shift, if any."""
    factor = (variance.double() + epsilon).rsqrt()
    shift = -mean.double() * factor
    if learned:
        weight, bias = (tensor.double() for tensor in learned)
        factor, shift = factor * weight, shift * weight + bias
    return {"weight": factor, "bias": shift}
