"""The layers of the paper's detector as PyTorch's ports number them.

All of them copy amdegroot's `vgg`: torchvision's layers, then pool5, fc6 and fc7 in one list.
"""

from singleshot.importers.renaming import Renaming

__all__ = [
    "rename_alternating_extras",
    "rename_plain_extras",
    "rename_plain_heads",
    "rename_vgg16",
]

CONVOLUTIONS = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)  # of `Vgg16.features`
FC6, FC7 = 31, 33


def rename_vgg16(weights: Renaming, prefix: str) -> None:
    """The backbone, but for what normalises conv4_3."""
    for layer in CONVOLUTIONS:
        weights.convolution(f"{prefix}.{layer}", f"backbone.features.{layer}")
    weights.convolution(f"{prefix}.{FC6}", "backbone.fc.1")
    weights.convolution(f"{prefix}.{FC7}", "backbone.fc.3")


def rename_alternating_extras(weights: Renaming, prefix: str, num_extra: int) -> None:
    """Extra levels as one list of convolutions: squeeze, widen, squeeze, widen, ..."""
    for level in range(num_extra):
        weights.convolution(f"{prefix}.{2 * level}", f"pyramid.extra.{level}.0")
        weights.convolution(f"{prefix}.{2 * level + 1}", f"pyramid.extra.{level}.2")


def rename_plain_extras(weights: Renaming, prefix: str, num_extra: int) -> None:
    """Extra levels one by one, as we have them."""
    for level in range(num_extra):
        for layer in (0, 2):
            weights.convolution(f"{prefix}.{level}.{layer}", f"pyramid.extra.{level}.{layer}")


def rename_plain_heads(weights: Renaming, logits: str, offsets: str, num_levels: int) -> None:
    """One convolution for each level."""
    for level in range(num_levels):
        weights.convolution(f"{logits}.{level}", f"heads.logits.{level}")
        weights.convolution(f"{offsets}.{level}", f"heads.offsets.{level}")
