"""Fully connected layers after a backbone, and their initialisation."""

import re
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from itertools import pairwise

from torch import Tensor, nn

__all__ = ["FullyConnected", "small_linear"]

LAYER = re.compile(r"classifier\.(\d+)\.weight")


class FullyConnected(nn.Sequential):
    """fc6, fc7, … with ReLU and dropout after each."""

    def __init__(self, widths: Sequence[int], dropout: float) -> None:
        """Create a layer from each width to the next."""
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        for number, (before, after) in enumerate(pairwise(widths), start=6):
            layers[f"fc{number}"] = nn.Linear(before, after)
            layers[f"relu{number}"] = nn.ReLU(inplace=True)
            layers[f"drop{number}"] = nn.Dropout(dropout)
        super().__init__(layers)

    @property
    def linear(self) -> list[nn.Linear]:
        """The linear layers alone."""
        return [layer for layer in self if isinstance(layer, nn.Linear)]

    def fill(self, classifier: Mapping[str, Tensor]) -> list[str]:
        """Copy fc6, fc7, … of a VGG16 or AlexNet of torchvision if all shapes are equal.

        Such a file names them `classifier.N`, in their order, with the class layer last. Returns
        the names of the tensors that were taken: of all or of none.
        """
        numbers = sorted(int(name[1]) for name in map(LAYER.fullmatch, classifier) if name)
        names = [f"classifier.{number}.weight" for number in numbers[: len(self.linear)]]
        weights = [classifier[name] for name in names]
        fits = [layer.weight.shape for layer in self.linear] == [weight.shape for weight in weights]
        # torchvision's IMAGENET1K_FEATURES of VGG16 has NaN here.
        if not fits or any(bool(weight.isnan().any()) for weight in weights):
            return []
        biases = [f"{name.removesuffix('weight')}bias" for name in names]
        for layer, name, bias in zip(self.linear, names, biases, strict=True):
            layer.load_state_dict({"weight": classifier[name], "bias": classifier[bias]})
        return names + biases


def small_linear(width: int, outputs: int, spread: float) -> nn.Linear:
    """Create a layer with weights normally distributed with σ = `spread`, and biases 0."""
    layer = nn.Linear(width, outputs)
    nn.init.normal_(layer.weight, std=spread)
    nn.init.zeros_(layer.bias)
    return layer
