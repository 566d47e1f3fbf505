"""Several images in one: mosaic and mixup."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from singleshot.boxes.geometry import area
from singleshot.data.augment.render import Render
from singleshot.data.augment.view import Variation, View, uniform
from singleshot.data.dataset import concatenate
from singleshot.structures import Sample, Truth

__all__ = ["Mosaic", "mixup"]

CENTRE = (0.25, 0.75)  # where four images meet, in sides of the whole
LEAST_SCALE = 0.5  # of a tile's image: the smallest tiles show a part instead of a thumbnail


@dataclass(frozen=True)
class Mosaic:
    """Four images around a random centre (Bochkovskiy et al. 2020, "YOLOv4", §3.3 and figure 3).

    Each is varied on its own and fills its tile at half to three quarters of its size, with a part
    from a random position where it is larger than the tile.
    """

    variations: Sequence[Variation]  # of each tile
    render: Render

    def __call__(self, samples: Sequence[Sample], random: torch.Generator) -> Sample:
        """Join exactly four samples, in rows from the top left; its name holds all their names."""
        height, width = self.render.size
        x, y = (round(uniform(*CENTRE, random) * side) for side in (width, height))
        tiles = ((0, 0, x, y), (x, 0, width, y), (0, y, x, height), (x, y, width, height))
        pixels = torch.empty(height, width, 3, dtype=torch.uint8)
        truths = []
        for sample, (left, top, right, bottom) in zip(samples, tiles, strict=True):
            tile = self.tile(sample, (bottom - top, right - left), random)
            pixels[top:bottom, left:right] = tile.image.permute(1, 2, 0)
            truths.append(_move(tile.truth, tile.truth.boxes.new_tensor([left, top, left, top])))
        return Sample(pixels.permute(2, 0, 1), concatenate(truths), _joint_name(samples))

    def tile(self, sample: Sample, size: tuple[int, int], random: torch.Generator) -> Sample:
        """Vary one image and crop it to this (height, width); boxes are clipped to the tile."""
        view = View.of(sample)
        for vary in self.variations:
            view = vary(view, random)
        view = _part_of_shape(view, size, self.render.size, random)
        drawn = replace(self.render, size=size)(view, random)
        return replace(drawn, truth=drawn.truth[area(drawn.truth.boxes) > 0])


def _part_of_shape(
    view: View, tile: tuple[int, int], whole: tuple[int, int], random: torch.Generator
) -> View:
    """View the largest part that fills the tile, distorted no more than in the whole."""
    shares = [part / side for part, side in zip(tile, whole, strict=True)]
    scale = max(LEAST_SCALE, *shares)
    height, width = (side * share / scale for side, share in zip(view.size, shares, strict=True))
    x1, y1, x2, y2 = view.window
    left = x1 + uniform(0, x2 - x1 - width, random)
    top = y1 + uniform(0, y2 - y1 - height, random)
    return view.through((left, top, left + width, top + height))


def mixup(one: Sample, other: Sample) -> Sample:
    """Blend two images half and half, with the objects of both (Zhang et al. 2018, "mixup").

    That paper draws the shares; with equal ones, as in YOLOX (Ge et al. 2021), every object stays
    visible.
    """
    total = one.image.to(torch.int16) + other.image.to(torch.int16)
    pixels = ((total + 1) // 2).to(torch.uint8)
    return Sample(pixels, concatenate([one.truth, other.truth]), _joint_name([one, other]))


def _move(truth: Truth, by: Tensor) -> Truth:
    return replace(truth, boxes=truth.boxes + by)


def _joint_name(samples: Sequence[Sample]) -> str:
    """Join the names of all images that a sample is made of."""
    return " + ".join(sample.name for sample in samples)
