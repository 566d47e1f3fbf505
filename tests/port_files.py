"""Weight files as PyTorch's SSD ports write them: their names and shapes, and weights by formula.

The formula gives the same weights on every machine and for every version of PyTorch, so that what
the ports' own code makes of them could be recorded.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from singleshot.checkpoints.checkpoint import Checkpoint
from singleshot.detectors.common.box_coding import decode
from singleshot.detectors.ssd.network import Ssd
from singleshot.detectors.ssd.priors import Priors

Shapes = dict[str, tuple[int, ...]]

VGG_GRIDS = {300: (38, 19, 10, 5, 3, 1), 512: (64, 32, 16, 8, 4, 2, 1)}


def convolution(
    name: str, in_channels: int, channels: int, kernel: int, *, bias: bool = True
) -> Shapes:
    """`in_channels` is 1 for a depthwise one."""
    shapes: Shapes = {f"{name}.weight": (channels, in_channels, kernel, kernel)}
    return shapes | ({f"{name}.bias": (channels,)} if bias else {})


def batch_norm(name: str, channels: int) -> Shapes:
    parts = ("weight", "bias", "running_mean", "running_var")
    shapes: Shapes = {f"{name}.{part}": (channels,) for part in parts}
    return shapes | {f"{name}.num_batches_tracked": ()}


def vgg16(prefix: str) -> Shapes:
    """torchvision's layers, with fc6 and fc7 as convolutions behind them."""
    widths = {0: 64, 2: 64, 5: 128, 7: 128, 10: 256, 12: 256, 14: 256}
    widths |= dict.fromkeys((17, 19, 21, 24, 26, 28), 512)
    shapes, below = {}, 3
    for layer, width in widths.items():
        shapes |= convolution(f"{prefix}.{layer}", below, width, 3)
        below = width
    return (
        shapes
        | convolution(f"{prefix}.31", below, 1024, 3)
        | convolution(f"{prefix}.33", 1024, 1024, 1)
    )


def plain_extras(names: Sequence[tuple[str, str]], widths: Sequence[int], below: int) -> Shapes:
    """A 1 × 1 convolution to half the width and a 3 × 3 one (4 × 4 at SSD512's last) for each."""
    shapes: Shapes = {}
    for level, ((squeeze, widen), width) in enumerate(zip(names, widths, strict=True)):
        kernel = 4 if level == 4 else 3
        shapes |= convolution(squeeze, below, width // 2, 1)
        shapes |= convolution(widen, width // 2, width, kernel)
        below = width
    return shapes


def plain_heads(name: str, width: int, channels: Sequence[int], priors: Sequence[int]) -> Shapes:
    shapes: Shapes = {}
    for level, (below, number) in enumerate(zip(channels, priors, strict=True)):
        shapes |= convolution(f"{name}.{level}", below, number * width, 3)
    return shapes


def normalised(
    layer: tuple[str, str], in_channels: int, channels: int, kernel: int = 1, *, bias: bool = False
) -> Shapes:
    """A convolution and its batch norm."""
    return convolution(layer[0], in_channels, channels, kernel, bias=bias) | batch_norm(
        layer[1], channels
    )


def inverted(name: str, layers: Sequence[str], below: int, hidden: int, width: int) -> Shapes:
    """An inverted residual; `layers` are those of its convolutions and batch norms, in turn."""
    pairs = [(f"{name}.{layers[n]}", f"{name}.{layers[n + 1]}") for n in range(0, len(layers), 2)]
    shapes: Shapes = {} if hidden == below else normalised(pairs[0], below, hidden)
    return shapes | normalised(pairs[-2], 1, hidden, 3) | normalised(pairs[-1], hidden, width)


def mobilenet_v2(prefix: str, full: Sequence[str], first: Sequence[str]) -> Shapes:
    shapes = normalised((f"{prefix}.0.0", f"{prefix}.0.1"), 3, 32, 3)
    widths = (16, *(24,) * 2, *(32,) * 3, *(64,) * 4, *(96,) * 3, *(160,) * 3, 320)
    below = 32
    for block, width in enumerate(widths, start=1):
        layers, hidden = (first, below) if block == 1 else (full, 6 * below)
        shapes |= inverted(f"{prefix}.{block}.conv", layers, below, hidden, width)
        below = width
    return shapes | normalised((f"{prefix}.18.0", f"{prefix}.18.1"), below, 1280)


def inverted_extras(prefix: str, layers: Sequence[str]) -> Shapes:
    shapes: Shapes = {}
    for level, (below, hidden, width) in enumerate(
        ((1280, 256, 512), (512, 128, 256), (256, 128, 256), (256, 64, 64))
    ):
        shapes |= inverted(f"{prefix}.{level}.conv", layers, below, hidden, width)
    return shapes


def separable_heads(name: str, width: int, channels: Sequence[int], inner: str = "") -> Shapes:
    """Six priors at each place."""
    shapes: Shapes = {}
    for level, below in enumerate(channels[:-1]):
        head = f"{name}.{level}{inner}"
        shapes |= normalised((f"{head}.0", f"{head}.1"), 1, below, 3, bias=True)
        shapes |= convolution(f"{head}.3", below, 6 * width, 1)
    return shapes | convolution(f"{name}.{len(channels) - 1}", channels[-1], 6 * width, 1)


def weights(shapes: Shapes, *, raw_pixels: bool) -> dict[str, Tensor]:
    """Weights that keep activations sane; `raw_pixels`: those the network sees reach hundreds."""
    state = {name: by_formula(name, shape) for name, shape in shapes.items()}
    for name, tensor in state.items():
        stem = tensor.ndim == 4 and tensor.shape[1] == 3
        state[name] = tensor / 64 if stem and raw_pixels else tensor
    return state


def by_formula(name: str, shape: tuple[int, ...]) -> Tensor:
    if name.endswith("num_batches_tracked"):
        return torch.tensor(0)
    random = np.random.RandomState(zlib.crc32(name.encode()))
    values = torch.from_numpy(random.uniform(-1, 1, shape).astype(np.float32))
    if len(shape) == 4:
        predicts = any(part in name for part in ("loc.", "conf.", "head"))
        return values * math.sqrt(6 / math.prod(shape[1:])) / (4 if predicts else 1)
    if name.endswith((".bias", ".running_mean")):
        return values / 10
    # EfficientNet adds up its blocks: smaller ones keep the sum in bounds.
    return (1 + values / 2) / (2 if name.endswith("_bn2.weight") else 1)


def hollow(shapes: Shapes) -> dict[str, Tensor]:
    """Zeros that take no room on the disk, where only names and shapes matter."""
    return {name: torch.zeros(()).expand(shape) for name, shape in shapes.items()}


@dataclass(frozen=True)
class Figures:
    """What a port's own code made of such weights and of `image`, at a few priors."""

    logits: tuple[float, ...]  # of the first class, at each of `rows`
    offsets: tuple[float, ...]  # of the width
    boxes: tuple[tuple[float, ...], ...]  # corners, as fractions of the image
    means: tuple[float, float, float]  # of the absolute values of all three

    @classmethod
    def of(cls, offsets: Tensor, logits: Tensor, boxes: Tensor) -> Figures:
        rows = [0, len(boxes) // 7, len(boxes) // 2, len(boxes) - 1]
        means = [float(tensor.double().abs().mean()) for tensor in (logits, offsets, boxes)]
        return cls(
            tuple(logits[rows, 1].tolist()),
            tuple(offsets[rows, 2].tolist()),
            tuple(map(tuple, boxes[rows].tolist())),
            (means[0], means[1], means[2]),
        )

    def numbers(self) -> Iterable[float]:
        yield from (*self.logits, *self.offsets, *self.means)
        for box in self.boxes:
            yield from box


def image(side: int) -> Tensor:
    """Noise, in whole numbers."""
    noise = np.random.RandomState(0).randint(0, 256, (1, 3, side, side))
    return torch.from_numpy(noise.astype(np.float32))


@torch.no_grad()
def figures(detector: Ssd) -> Figures:
    """The same of our detector."""
    settings = detector.settings
    offsets, logits = detector(image(settings.input[0]))
    boxes = decode(offsets, detector.priors_cxcywh_unit, settings.priors.offset_scales)
    return Figures.of(offsets[0], logits[0], boxes[0])


def priors_of(checkpoint: Checkpoint, grids: Sequence[int]) -> Tensor:
    """(centre x, centre y, width, height) on square grids."""
    settings = checkpoint.recipe.model
    squares = [(side, side) for side in grids]
    return Priors.from_settings(settings.priors, squares, settings.input).boxes_cxcywh_unit
