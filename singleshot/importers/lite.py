"""SSDLite on MobileNetV2 as lufficc and qfgaohao have it, with inverted residuals on top."""

from dataclasses import dataclass

from singleshot.importers.renaming import Layer, Renaming

__all__ = [
    "INVERTED_PYRAMID",
    "QFGAOHAO",
    "SEPARABLE_HEADS",
    "TORCHVISION",
    "BlockNames",
    "rename_inverted_extras",
    "rename_mobilenet_v2",
    "rename_separable_heads",
]


@dataclass(frozen=True, slots=True)
class BlockNames:
    """Where an inverted residual has its expansion, depthwise convolution and projection."""

    full: tuple[Layer, ...]
    without_expansion: tuple[Layer, ...]


TORCHVISION = BlockNames(
    (("0.0", "0.1"), ("1.0", "1.1"), ("2", "3")), without_expansion=(("0.0", "0.1"), ("1", "2"))
)
QFGAOHAO = BlockNames(
    (("0", "1"), ("3", "4"), ("6", "7")), without_expansion=(("0", "1"), ("3", "4"))
)

LAST_BLOCK = 17  # of torchvision's `features`, where 0 is the stem and 18 the last convolution
LAST_LEVEL = 5

SAME = (("0", "1"), ("0", "1"))
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


def rename_mobilenet_v2(weights: Renaming, prefix: str, names: BlockNames) -> None:
    """The backbone, as torchvision has it."""
    ours = "backbone.body.network.features"
    for layer in (0, LAST_BLOCK + 1):
        weights.pairs(f"{prefix}.{layer}", f"{ours}.{layer}", [SAME])
    first = zip(names.without_expansion, TORCHVISION.without_expansion, strict=True)
    weights.pairs(f"{prefix}.1.conv", f"{ours}.1.conv", first)
    pairs = list(zip(names.full, TORCHVISION.full, strict=True))
    for block in range(2, LAST_BLOCK + 1):
        weights.pairs(f"{prefix}.{block}.conv", f"{ours}.{block}.conv", pairs)


def rename_inverted_extras(weights: Renaming, prefix: str, names: BlockNames) -> None:
    """The extra levels."""
    pairs = [(theirs, (f"{n}.0", f"{n}.1")) for n, theirs in enumerate(names.full)]
    for level in range(LAST_LEVEL - 1):
        weights.pairs(f"{prefix}.{level}.conv", f"pyramid.extra.{level}", pairs)


def rename_separable_heads(weights: Renaming, logits: str, offsets: str, inner: str = "") -> None:
    """Depthwise with a batch norm, then 1 × 1; the last level sees one place and has that alone.

    `inner` is what stands between the level and the layer.
    """
    for theirs, part in ((logits, "logits"), (offsets, "offsets")):
        ours = f"heads.{part}"
        for level in range(LAST_LEVEL):
            head = f"{theirs}.{level}{inner}"
            weights.pairs(head, f"{ours}.{level}", [DEPTHWISE_HEAD])
            weights.convolution(f"{head}.3", f"{ours}.{level}.1")
        weights.convolution(f"{theirs}.{LAST_LEVEL}", f"{ours}.{LAST_LEVEL}")
