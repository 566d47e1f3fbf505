"""Frozen convolutions together with the activation that follows them.

Where neither weights nor input need gradients, the activation is computed while the outputs of the
convolution are at hand, by the operator that PyTorch's compiler uses for inference.
"""

from __future__ import annotations

from collections import Counter

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from singleshot.backbones.classifier import ClassifierBackbone
from singleshot.backbones.folding import replace_module
from singleshot.training.convolutions import FasterConvolution, is_plain, with_symmetric_padding

__all__ = ["FrozenConvolution", "fuse_frozen_layers"]

# The operator's names of activations, with their numbers.
ACTIVATIONS: dict[type[nn.Module], tuple[str, list[float]]] = {
    nn.ReLU: ("relu", []),
    nn.ReLU6: ("hardtanh", [0.0, 6.0]),
    nn.Hardswish: ("hardswish", []),
}


def fuse_frozen_layers(model: nn.Module) -> None:
    """Join frozen convolutions of backbones with the activations in place that follow them."""
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return
    for module in list(model.modules()):
        if isinstance(module, ClassifierBackbone):
            _fuse(module.body)


def _fuse(network: nn.Module) -> None:
    names = {module: name for name, module in network.named_modules()}
    for convolution, activation in _find_pairs(network):
        replace_module(network, names[convolution], FrozenConvolution(convolution, activation))
        replace_module(network, names[activation], nn.Identity())


@torch.no_grad()
def _find_pairs(network: nn.Module) -> list[tuple[nn.Conv2d, nn.Module]]:
    """Find frozen convolutions whose output an activation changes in place, in a trial run.

    A layer that the network uses several times is left out: it has other neighbours, too.
    """
    # Keeps the outputs alive, so that no other tensor can get the same identity.
    outputs: list[tuple[Tensor, int, nn.Conv2d]] = []
    pairs: list[tuple[nn.Conv2d, nn.Module]] = []
    uses: Counter[nn.Module] = Counter()

    def record_output(module: nn.Conv2d, _: tuple[Tensor, ...], output: Tensor) -> None:
        uses[module] += 1
        outputs.append((output, output._version, module))

    def record_input(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        uses[module] += 1
        # A residual block adds to the output in place: the same tensor is no longer the same.
        pairs.extend(
            (source, module)
            for tensor, version, source in outputs
            if tensor is inputs[0] and tensor._version == version
        )

    modules = list(network.modules())
    frozen = [one for one in modules if isinstance(one, nn.Conv2d) and _is_frozen(one)]
    activations = [
        one for one in modules if type(one) in ACTIVATIONS and getattr(one, "inplace", False)
    ]
    if not (frozen and activations):
        return []
    hooks = [
        *(one.register_forward_hook(record_output) for one in frozen),
        *(one.register_forward_pre_hook(record_input) for one in activations),
    ]
    training = network.training
    network.eval()(torch.zeros(1, 3, 64, 64))
    network.train(training)
    for hook in hooks:
        hook.remove()
    return [pair for pair in pairs if uses[pair[0]] == uses[pair[1]] == 1]


def _is_frozen(module: nn.Module) -> bool:
    return is_plain(module) and not any(p.requires_grad for p in module.parameters())


class FrozenConvolution(FasterConvolution):
    """A convolution whose weights stay as they are, and an activation."""

    def __init__(self, plain: nn.Conv2d, activation: nn.Module) -> None:
        super().__init__(plain)
        self.activation = activation
        self.name, self.numbers = ACTIVATIONS[type(activation)]

    def forward(self, input: Float[Tensor, "b c h w"]) -> Float[Tensor, "b channels rows columns"]:
        """Convolve and activate, in two steps where a gradient is needed."""
        weight, sides = with_symmetric_padding(self.weight, self.padding_of(input))
        if torch.is_grad_enabled() and (input.requires_grad or weight.requires_grad):
            activated: Tensor = self.activation(
                F.conv2d(input, weight, self.bias, self.stride, sides, groups=self.groups)
            )
            return activated
        output: Tensor = torch.ops.mkldnn._convolution_pointwise(
            input,
            weight,
            self.bias,
            sides,
            self.stride,
            [1, 1],
            self.groups,
            self.name,
            self.numbers,
            "",  # algorithm: of activations that have several
        )
        return output
