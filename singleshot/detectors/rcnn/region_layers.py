"""What tells the class of a region and its offsets, from its part of the feature map."""

import re
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from itertools import pairwise

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torchvision.ops import roi_align, roi_pool

from singleshot.boxes.geometry import to_centres, to_corners

__all__ = [
    "FullyConnected",
    "RegionHead",
    "of_label",
    "pooled",
    "small_linear",
    "warped",
]

LAYER = re.compile(r"classifier\.(\d+)\.weight")


class RegionHead(nn.Module):
    """fc6 and fc7, then logits with the background first, and offsets for each of these columns.

    Both begin small (Girshick 2015, §4.2: normal distributions with σ of 0.01 and 0.001).
    """

    def __init__(self, width: int, layers: Sequence[int], dropout: float, num_classes: int) -> None:
        """`width` numbers of a region's features come in."""
        super().__init__()
        self.layers = FullyConnected([width, *layers], dropout)
        last = [width, *layers][-1]
        self.logits = small_linear(last, num_classes + 1, 0.01)
        self.offsets = small_linear(last, 4 * (num_classes + 1), 0.001)

    def forward(
        self, features: Float[Tensor, "n channels rows columns"]
    ) -> tuple[Float[Tensor, "n outputs"], Float[Tensor, "n outputs 4"]]:
        """Of each region."""
        last = self.layers(features.flatten(start_dim=1))
        return self.logits(last), self.offsets(last).unflatten(1, (-1, 4))


def small_linear(width: int, outputs: int, spread: float) -> nn.Linear:
    """Weights normally distributed with this σ, biases 0."""
    layer = nn.Linear(width, outputs)
    nn.init.normal_(layer.weight, std=spread)
    nn.init.zeros_(layer.bias)
    return layer


class FullyConnected(nn.Sequential):
    """fc6, fc7, … with ReLU and dropout after each."""

    def __init__(self, widths: Sequence[int], dropout: float) -> None:
        """From each width to the next; in evaluation mode nothing is dropped."""
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        for number, (before, after) in enumerate(pairwise(widths), start=6):
            layers[f"fc{number}"] = nn.Linear(before, after)
            layers[f"relu{number}"] = nn.ReLU(inplace=True)
            layers[f"drop{number}"] = nn.Dropout(dropout)
        super().__init__(layers)

    @property
    def linear(self) -> list[nn.Linear]:
        """Without what is between them."""
        return [layer for layer in self if isinstance(layer, nn.Linear)]

    def fill(self, classifier: Mapping[str, Tensor]) -> bool:
        """Take the layers of a VGG16 or AlexNet of torchvision, where all have this shape.

        Such a file calls them `classifier.N`, in their order, and the classes come last.
        """
        numbers = sorted(int(found[1]) for found in map(LAYER.fullmatch, classifier) if found)
        weights = [f"classifier.{number}.weight" for number in numbers[: len(self.linear)]]
        found = [classifier[name] for name in weights]
        fits = [layer.weight.shape for layer in self.linear] == [weight.shape for weight in found]
        # torchvision's IMAGENET1K_FEATURES of VGG16 has no numbers here.
        if not fits or any(bool(weight.isnan().any()) for weight in found):
            return False
        for layer, name in zip(self.linear, weights, strict=True):
            bias = classifier[f"{name.removesuffix('weight')}bias"]
            layer.load_state_dict({"weight": classifier[name], "bias": bias})
        return True


def pooled(
    features: Float[Tensor, "b channels rows columns"],
    regions: Sequence[Float[Tensor, "_ 4"]],
    side: int,
    stride: float,
) -> Float[Tensor, "n channels side side"]:
    """RoI pooling (Girshick 2015, §2.1): the greatest value in each of side × side cells."""
    corners = [both_ends_inside(of_image) for of_image in regions]
    cells: Tensor = roi_pool(features, corners, side, 1 / stride)
    return cells


def both_ends_inside(regions: Float[Tensor, "n 4"]) -> Float[Tensor, "n 4"]:
    """Half-open boxes as Caffe's layers count them: the last pixel is theirs."""
    return regions - regions.new_tensor([0, 0, 1, 1])


def of_label(
    offsets: Float[Tensor, "n columns 4"], labels: Int[Tensor, " n"]
) -> Float[Tensor, "n 4"]:
    """The offsets that a region has for its label."""
    return offsets[torch.arange(len(labels), device=labels.device), labels]


def warped(
    images: Float[Tensor, "b 3 h w"],
    regions: Sequence[Float[Tensor, "_ 4"]],
    side: int,
    context: int,
) -> Float[Tensor, "n 3 side side"]:
    """Regions as squares, whatever their aspect, with so many pixels around them (appendix A).

    Beyond the image there is 0, the mean. One bilinear sample is taken for each pixel.
    """
    scale = side / (side - 2 * context)
    boxes = [
        to_corners(to_centres(found) * found.new_tensor([1, 1, scale, scale])) for found in regions
    ]
    cut: Tensor = roi_align(images, boxes, side, sampling_ratio=1, aligned=True)
    return cut.contiguous(memory_format=torch.channels_last)
