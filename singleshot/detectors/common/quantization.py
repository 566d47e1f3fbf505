"""Insert fake quantisation into a detector: where a device that computes in int8 would round.

Batch norm is folded into convolutions first, as converters do it. Then each convolution has
weights, inputs and outputs of 8 bits. An output is rounded after its ReLU, which costs a device
nothing; one that other operations use, such as an addition, is rounded by the module that returns
it. What no convolution is part of stays floating point: softmax, decoding, the norm of L2Norm.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from singleshot.backbones.folding import fold_batch_norm
from singleshot.detectors.common.fake_quantization import (
    ActivationQuantizer,
    RoundedWeight,
    round_weight,
)
from singleshot.errors import RecipeError

if TYPE_CHECKING:
    from singleshot.detectors.detector import TrainableDetector

__all__ = ["fix_scales", "is_quantized", "quantize_detector", "remove_quantization"]

# Rounding to a range that begins at 0, or ends at 6, is what these do.
CLIPPING = (nn.ReLU, nn.ReLU6)
SAME_VALUES = (nn.MaxPool2d, nn.Flatten, nn.UpsamplingNearest2d, nn.ZeroPad2d)
SAME_TENSOR = (nn.Identity, nn.Dropout, nn.Dropout2d)
INPUT, OUTPUT = "input_quantizer", "output_quantizer"


def quantize_detector(detector: TrainableDetector) -> None:
    """Fold batch norm and insert fake quantisation as `model.quantization` has it, in place.

    Ranges of feature maps are not known yet: a forward pass in training mode finds them.

    Raises RecipeError for a detector whose operations are not always the same.
    """
    settings = detector.settings.quantization
    assert settings is not None
    if not detector.fixed_graph:
        raise RecipeError(
            f"model.quantization: a detector of the kind {detector.settings.kind!r} does not run "
            f"the same operations at each step, as quantisation needs it; leave it out"
        )
    image = torch.zeros(1, 3, *detector.settings.input)
    _fold_batch_norms(detector, image)
    flow = _record_flow(detector, image)
    places = flow.places()
    symmetric = settings.activations == "symmetric"
    for module, name in places:
        module.add_module(name, ActivationQuantizer(symmetric=symmetric))
        if name == OUTPUT:
            module.register_forward_hook(_round_output)
        else:
            module.register_forward_pre_hook(_round_input)
    for module in flow.convolutions:
        round_weight(module, per_channel=settings.weights == "per-channel")
    # New modules are in training mode.
    detector.train(detector.training)


def _fold_batch_norms(detector: TrainableDetector, image: Tensor) -> None:
    """Fold each batch norm that follows a convolution; their biases are trained as their shifts."""
    if not any(isinstance(module, nn.BatchNorm2d) for module in detector.modules()):
        return
    without = [m for m in detector.modules() if isinstance(m, nn.Conv2d) and m.bias is None]
    fold_batch_norm(detector, image)
    for convolution in without:
        if convolution.bias is not None:
            convolution.bias.requires_grad_(convolution.weight.requires_grad)


def is_quantized(network: nn.Module) -> bool:
    """Return whether a network has fake quantisation."""
    return any(isinstance(module, ActivationQuantizer) for module in network.modules())


def fix_scales(network: nn.Module) -> None:
    """Make scales of weights constants, in place: an exported graph need not compute them."""
    for module in network.modules():
        if isinstance(module, RoundedWeight):
            module.fix_scale()


def remove_quantization(network: nn.Module) -> None:
    """Remove fake quantisation in place, for tools that quantise by themselves.

    Weights keep the values that 8 bits hold, so that the same scales are found again.
    """
    for module in list(network.modules()):
        if isinstance(module, RoundedWeight):
            module.keep_rounded()
        for name, hooks in ((INPUT, module._forward_pre_hooks), (OUTPUT, module._forward_hooks)):
            if name in module._modules:
                delattr(module, name)
                for key in [key for key, hook in hooks.items() if hook in ROUNDING]:
                    del hooks[key]


def _round_input(module: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    first, *others = inputs
    return (module.get_submodule(INPUT)(first), *others)


def _round_output(module: nn.Module, _inputs: tuple[Any, ...], output: Tensor) -> Tensor:
    rounded: Tensor = module.get_submodule(OUTPUT)(output)
    return rounded


ROUNDING = (_round_input, _round_output)


@dataclass
class _Flow:
    """Modules of a network in the order in which they return, and the tensors between them."""

    calls: list[tuple[nn.Module, Tensor, Tensor]] = field(default_factory=list)

    @property
    def convolutions(self) -> list[nn.Conv2d]:
        """The convolutions, each once."""
        found = [module for module, _, _ in self.calls if isinstance(module, nn.Conv2d)]
        return list(dict.fromkeys(found))

    def places(self) -> list[tuple[nn.Module, str]]:
        """List the modules whose output, or whose input, is to be rounded."""
        num_calls = Counter(module for module, _, _ in self.calls)
        producers, origins = self._producers()
        ends = [self._end(tensor) or module for module, _, tensor in self._of_convolutions()]
        # A module that is used in several places would have one range for all.
        outputs = dict.fromkeys(end for end in ends if num_calls[end] == 1)
        inputs: dict[nn.Module, None] = {}
        for module, source, _ in self._of_convolutions():
            number = id(source)
            while number in origins:
                number = origins[number]
            producer = producers.get(number)
            # A container would run a module that is added to it.
            if producer is None or num_calls[producer] > 1 or isinstance(producer, nn.Sequential):
                inputs[module] = None
            else:
                outputs[producer] = None
        return [(module, OUTPUT) for module in outputs] + [(module, INPUT) for module in inputs]

    def _of_convolutions(self) -> list[tuple[nn.Module, Tensor, Tensor]]:
        return [call for call in self.calls if isinstance(call[0], nn.Conv2d)]

    def _end(self, tensor: Tensor) -> nn.Module | None:
        """Find the ReLU that a tensor goes to first."""
        for module, source, _ in self.calls:
            if source is tensor and not isinstance(module, SAME_TENSOR) and _is_leaf(module):
                return module if isinstance(module, CLIPPING) else None
        return None

    def _producers(self) -> tuple[Mapping[int, nn.Module], Mapping[int, int]]:
        """Find the module that each tensor comes from, and tensors with the values of others."""
        producers: dict[int, nn.Module] = {}
        origins: dict[int, int] = {}
        for module, source, result in self.calls:
            if isinstance(module, SAME_VALUES):
                origins[id(result)] = id(source)
            elif _is_leaf(module) and not isinstance(module, SAME_TENSOR):
                producers[id(result)] = module  # also where it works in place
            else:
                producers.setdefault(id(result), module)
        return producers, origins


def _is_leaf(module: nn.Module) -> bool:
    return not any(module.children())


@torch.no_grad()
def _record_flow(detector: TrainableDetector, image: Tensor) -> _Flow:
    """Run the network on the meta device, and record what each module was given and returned."""
    flow = _Flow()

    def record(module: nn.Module, inputs: tuple[Any, ...], result: Any) -> None:
        if inputs and isinstance(inputs[0], Tensor) and isinstance(result, Tensor):
            # Tensors are kept, so that no other can get the same identity.
            flow.calls.append((module, inputs[0], result))

    # Exported networks begin with pixels that are normalised.
    before = {detector, *detector.pixels.modules()}
    handles = [
        module.register_forward_hook(record)
        for module in detector.modules()
        if module not in before
    ]
    named = [*detector.named_parameters(), *detector.named_buffers()]
    weights = {name: tensor.to("meta") for name, tensor in named}
    training = detector.training
    detector.eval()
    functional_call(detector, weights, (image.to("meta"),))
    detector.train(training)
    for handle in handles:
        handle.remove()
    return flow
