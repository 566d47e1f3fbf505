"""Layers that the PyTorch ports of SSD share: VGG16, extra levels, heads, SSDLite on MobileNetV2.

All copy amdegroot's `vgg`: torchvision's layers, then pool5, fc6 and fc7 in one list.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from singleshot.backbones.vgg import CONVOLUTIONS
from singleshot.checkpoints.checkpoint import Checkpoint
from singleshot.importers.class_names import class_names_for
from singleshot.importers.renaming import Layer, Renaming
from singleshot.recipes.schema import Recipe

__all__ = [
    "INVERTED_PYRAMID",
    "QFGAOHAO_BLOCKS",
    "SEPARABLE_HEADS",
    "TORCHVISION_BLOCKS",
    "BlockNames",
    "checkpoint_of",
    "rename_alternating_extras",
    "rename_inverted_extras",
    "rename_mobilenet_v2",
    "rename_plain_extras",
    "rename_plain_heads",
    "rename_separable_heads",
    "rename_vgg16",
]

FC6, FC7 = 31, 33


@dataclass(frozen=True, slots=True)
class BlockNames:
    """Names of the expansion, depthwise convolution and projection of an inverted residual."""

    full: tuple[Layer, ...]
    without_expansion: tuple[Layer, ...]


TORCHVISION_BLOCKS = BlockNames(
    (("0.0", "0.1"), ("1.0", "1.1"), ("2", "3")), without_expansion=(("0.0", "0.1"), ("1", "2"))
)
QFGAOHAO_BLOCKS = BlockNames(
    (("0", "1"), ("3", "4"), ("6", "7")), without_expansion=(("0", "1"), ("3", "4"))
)

LAST_BLOCK = 17  # of torchvision's `features`, where 0 is the stem and 18 the last convolution
LAST_LEVEL = 5

UNCHANGED = (("0", "1"), ("0", "1"))
DEPTHWISE_HEAD = (("0", "1"), ("0.0", "0.1"))

INVERTED_PYRAMID = {
    "block": "inverted",
    "extra": [
        {"squeeze": 256, "channels": 512},
        {"squeeze": 128, "channels": 256},
        {"squeeze": 128, "channels": 256},
        {"squeeze": 64, "channels": 64},
    ],
}
SEPARABLE_HEADS = {"block": "separable", "kernels": [3, 3, 3, 3, 3, 1]}


def checkpoint_of(
    weights: Renaming, path: Path, num_levels: int, recipe_for: Callable[[int], Recipe]
) -> Checkpoint:
    """Build the checkpoint when all tensors are renamed.

    The heads of the last level tell the number of classes, for which `recipe_for` makes the recipe.
    """
    num_classes = weights.num_classes(num_levels - 1)
    names = class_names_for(num_classes, path)
    return Checkpoint(weights.finish(), recipe_for(num_classes), names, metrics={})


def rename_vgg16(weights: Renaming, prefix: str) -> None:
    """Rename the backbone, except the layer that normalises conv4_3."""
    for layer in CONVOLUTIONS:
        weights.rename_convolution(f"{prefix}.{layer}", f"backbone.features.{layer}")
    weights.rename_convolution(f"{prefix}.{FC6}", "backbone.fc.1")
    weights.rename_convolution(f"{prefix}.{FC7}", "backbone.fc.3")


def rename_alternating_extras(weights: Renaming, prefix: str, num_extra: int) -> None:
    """Rename extra levels that are one list of convolutions: squeeze, widen, squeeze, widen, …"""
    for level in range(num_extra):
        weights.rename_convolution(f"{prefix}.{2 * level}", f"pyramid.extra.{level}.0")
        weights.rename_convolution(f"{prefix}.{2 * level + 1}", f"pyramid.extra.{level}.2")


def rename_plain_extras(weights: Renaming, prefix: str, num_extra: int) -> None:
    """Rename extra levels that are one module each, as ours."""
    for level in range(num_extra):
        for layer in (0, 2):
            weights.rename_convolution(
                f"{prefix}.{level}.{layer}", f"pyramid.extra.{level}.{layer}"
            )


def rename_plain_heads(weights: Renaming, logits: str, offsets: str, num_levels: int) -> None:
    """Rename heads of one convolution for each level."""
    for level in range(num_levels):
        weights.rename_convolution(f"{logits}.{level}", f"heads.logits.{level}")
        weights.rename_convolution(f"{offsets}.{level}", f"heads.offsets.{level}")


def rename_mobilenet_v2(weights: Renaming, prefix: str, names: BlockNames) -> None:
    """Rename the backbone to torchvision's names."""
    ours = "backbone.body.network.features"
    for layer in (0, LAST_BLOCK + 1):
        weights.rename_conv_norms(f"{prefix}.{layer}", f"{ours}.{layer}", [UNCHANGED])
    first = zip(names.without_expansion, TORCHVISION_BLOCKS.without_expansion, strict=True)
    weights.rename_conv_norms(f"{prefix}.1.conv", f"{ours}.1.conv", first)
    pairs = list(zip(names.full, TORCHVISION_BLOCKS.full, strict=True))
    for block in range(2, LAST_BLOCK + 1):
        weights.rename_conv_norms(f"{prefix}.{block}.conv", f"{ours}.{block}.conv", pairs)


def rename_inverted_extras(weights: Renaming, prefix: str, names: BlockNames) -> None:
    """Rename extra levels that are inverted residuals."""
    pairs = [(theirs, (f"{n}.0", f"{n}.1")) for n, theirs in enumerate(names.full)]
    for level in range(LAST_LEVEL - 1):
        weights.rename_conv_norms(f"{prefix}.{level}.conv", f"pyramid.extra.{level}", pairs)


def rename_separable_heads(weights: Renaming, logits: str, offsets: str, inner: str = "") -> None:
    """Rename heads of a depthwise convolution with batch norm, then 1 × 1.

    The last level has one cell and the 1 × 1 convolution alone. `inner` is the part of the name
    between level and layer.
    """
    for theirs, part in ((logits, "logits"), (offsets, "offsets")):
        ours = f"heads.{part}"
        for level in range(LAST_LEVEL):
            head = f"{theirs}.{level}{inner}"
            weights.rename_conv_norms(head, f"{ours}.{level}", [DEPTHWISE_HEAD])
            weights.rename_convolution(f"{head}.3", f"{ours}.{level}.1")
        weights.rename_convolution(f"{theirs}.{LAST_LEVEL}", f"{ours}.{LAST_LEVEL}")
