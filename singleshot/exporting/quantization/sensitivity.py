"""Rank the layers of a network by what their quantisation does to its outputs.

One group of layers at a time computes with rounded weights and feature maps, in PyTorch, all others
in floating point; the relative RMS error of the outputs ranks the groups. The ranking is of the
network, not of a runtime: which layers really stay in floating point is decided by the gate, with
the runtime's own numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from singleshot.exporting.quantization.bias_correction import convolutions_of, convolve_rounded

__all__ = ["LayerGroup", "group_layers", "rank_layers", "relative_error"]

MOST_LAYERS = 4  # of a group: a block of MobileNet has three, and a prediction head two
CLIPPING = (nn.ReLU, nn.ReLU6, nn.Hardtanh, nn.LeakyReLU, nn.Hardswish, nn.SiLU)


@dataclass(frozen=True, slots=True)
class LayerGroup:
    """Convolutions that belong together, and the errors that quantising them alone makes."""

    name: str  # of their module
    layers: tuple[str, ...]
    offsets: float  # relative RMS error
    logits: float
    share: float  # of the multiply-adds of the network

    @property
    def error(self) -> float:
        """The larger error."""
        return max(self.offsets, self.logits)


def relative_error(outputs: Tensor, reference: Tensor) -> float:
    """Compute the root mean square of the difference, by that of the reference."""
    norm = reference.double().square().mean()
    return float(((outputs - reference).double().square().mean() / norm.clamp(min=1e-30)).sqrt())


def group_layers(network: nn.Module) -> dict[str, tuple[str, ...]]:
    """Group convolutions by their outermost module that has four of them at most."""
    names = list(convolutions_of(network))
    groups: dict[str, list[str]] = {}
    for name in names:
        parts = name.split(".")
        prefixes = [".".join(parts[:length]) for length in range(1, len(parts) + 1)]
        sizes = [sum(_is_within(other, prefix) for other in names) for prefix in prefixes]
        group = next(p for p, size in zip(prefixes, sizes, strict=True) if size <= MOST_LAYERS)
        groups.setdefault(group, []).append(name)
    return {name: tuple(layers) for name, layers in groups.items()}


@torch.no_grad()
def rank_layers(network: nn.Module, images: Float[Tensor, "b 3 h w"]) -> list[LayerGroup]:
    """Quantise one group of layers at a time; the group with the largest error comes first.

    `network` is without batch norm; `images` are normalised.
    """
    simulated = _Simulation(network, images)
    reference, total = simulated.outputs(()), sum(simulated.num_macs.values())
    ranked = []
    for name, layers in group_layers(network).items():
        outputs = simulated.outputs(layers)
        offsets, logits = (relative_error(*pair) for pair in zip(outputs, reference, strict=True))
        share = sum(simulated.num_macs[layer] for layer in layers) / total
        ranked.append(LayerGroup(name, layers, offsets, logits, share))
    return sorted(ranked, key=lambda one: -one.error)


class _Simulation:
    """A copy of a network in which any of its layers can be quantised."""

    def __init__(self, network: nn.Module, images: Float[Tensor, "b 3 h w"]) -> None:
        self.network, self.images = deepcopy(network), images
        self.layers = convolutions_of(self.network)
        self.num_macs: dict[str, int] = {}
        self.chosen: frozenset[nn.Module] = frozenset()
        self.ends = _clipped_outputs(self.network, images[:1])
        for name, layer in self.layers.items():
            layer.register_forward_hook(self._count(name), prepend=True)
            layer.register_forward_hook(self._convolve)
        for end, layer in self.ends.items():
            end.register_forward_hook(lambda _m, _i, output, of=layer: self._round(of, output))

    def outputs(self, layers: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Compute all offsets and all logits with these layers quantised."""
        self.chosen = frozenset(self.layers[name] for name in layers)
        raw = self.network(self.images)
        half = len(raw) // 2
        offsets, logits = (
            torch.cat([one.flatten() for one in part]) for part in (raw[:half], raw[half:])
        )
        return offsets, logits

    def _count(self, name: str) -> Any:
        """Make a hook that counts the multiply-adds of a layer in one image."""

        def hook(module: nn.Conv2d, _inputs: Any, output: Tensor) -> None:
            self.num_macs[name] = output[0].numel() * module.weight[0].numel()

        return hook

    def _convolve(self, module: nn.Conv2d, inputs: tuple[Tensor], output: Tensor) -> Tensor:
        """Convolve with rounded inputs and weights."""
        if module not in self.chosen:
            return output
        output = convolve_rounded(module, _rounded(inputs[0]))
        return output if module in self.ends.values() else _rounded(output)

    def _round(self, module: nn.Module, output: Tensor) -> Tensor:
        """Round what a ReLU makes of the outputs of a layer."""
        return _rounded(output) if module in self.chosen else output


def _rounded(features: Tensor) -> Tensor:
    """Round a feature map to 256 values over its range, of which 0 is one."""
    low, high = (float(end) for end in features.aminmax())
    low, high = min(low, 0.0), max(high, 0.0)
    scale = max((high - low) / 255, 1e-12)
    zero = round(-low / scale)
    return torch.fake_quantize_per_tensor_affine(features, scale, zero, 0, 255)


@torch.no_grad()
def _clipped_outputs(network: nn.Module, image: Tensor) -> dict[nn.Module, nn.Conv2d]:
    """Find the activations that directly follow a convolution, with that convolution."""
    outputs: list[tuple[Tensor, nn.Conv2d]] = []
    found: dict[nn.Module, nn.Conv2d] = {}

    def record(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        if isinstance(module, nn.Conv2d):
            outputs.append((output, module))
        else:
            # An activation that works in place returns the very tensor.
            found.update((module, layer) for tensor, layer in outputs if tensor is inputs[0])

    kinds = (nn.Conv2d, *CLIPPING)
    handles = [m.register_forward_hook(record) for m in network.modules() if isinstance(m, kinds)]
    network(image)
    for handle in handles:
        handle.remove()
    return found


def _is_within(name: str, prefix: str) -> bool:
    return name == prefix or name.startswith(f"{prefix}.")
