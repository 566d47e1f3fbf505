"""Grids, priors and heads of MultiBox: six grids over the image, with predictions at each.

Szegedy et al. 2015, "Scalable, High-Quality Object Detection", §3 and figure 1. Widths of layers
are those of gvanhorn38/multibox (model.py), since Google's own code was not published.
"""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torchvision.ops import Conv2dNormActivation

from singleshot.backbones.initial import small_convolution
from singleshot.detectors.common.priors import PriorLevel, Shape

__all__ = ["GridHeads", "Grids", "cell_shapes", "grid_levels"]

STRETCHED = (2.0, 3.0)  # aspect ratios beside the square; each with its inverse
RARE = 0.01  # initial confidence: hardly one of all priors shows an object
SQUARES = 3  # sizes of squares from this grid's size to the next one's; stretched ones have two


class Grids(nn.Module):
    """Feature maps of 8, 6, 4, 3, 2 and 1 cells a side, from one of 8 × 8 cells.

    Smaller maps are outputs of convolutions without padding, or with a stride.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = (96, 96, 128, 96, 96, channels)
        convolution = Conv2dNormActivation
        self.grid8 = nn.Sequential(convolution(channels, 96, 1), convolution(96, 96, 3))
        self.grid6 = nn.Sequential(convolution(channels, 96, 3), convolution(96, 96, 3, padding=0))
        self.coarse = convolution(channels, 256, 3, stride=2)
        self.grid4 = convolution(256, 128, 3)
        self.grid3 = nn.Sequential(convolution(256, 128, 1), convolution(128, 96, 2, padding=0))
        self.grid2 = nn.Sequential(convolution(256, 128, 1), convolution(128, 96, 3, padding=0))
        self.grid1 = nn.AdaptiveAvgPool2d(1)

    def forward(self, levels: Sequence[Tensor]) -> list[Tensor]:
        """Compute a feature map for each grid, from the last of a backbone's."""
        last = levels[-1]
        coarse = self.coarse(last)
        fine = [self.grid8(last), self.grid6(last)]
        return [*fine, self.grid4(coarse), self.grid3(coarse), self.grid2(coarse), self.grid1(last)]


class GridHeads(nn.Module):
    """Convolutions that predict corners and confidence at each prior of each grid."""

    def __init__(self, channels: Sequence[int], priors_per_cell: Sequence[int]) -> None:
        super().__init__()
        self.corners = nn.ModuleList(
            small_convolution(width, 4 * number)
            for width, number in zip(channels, priors_per_cell, strict=True)
        )
        self.confidence = nn.ModuleList(
            small_convolution(width, number, bias=math.log(RARE / (1 - RARE)))
            for width, number in zip(channels, priors_per_cell, strict=True)
        )

    def forward(
        self, grids: Sequence[Tensor]
    ) -> tuple[Float[Tensor, "b priors 4"], Float[Tensor, "b priors"]]:
        """Predict corners relative to the priors' own, and logits; grid by grid, cell by cell."""
        corners = [each(grid) for each, grid in zip(self.corners, grids, strict=True)]
        logits = [each(grid) for each, grid in zip(self.confidence, grids, strict=True)]
        return _flatten(corners).reshape(len(logits[0]), -1, 4), _flatten(logits)


def _flatten(maps: Sequence[Tensor]) -> Float[Tensor, "b outputs"]:
    return torch.cat([each.permute(0, 2, 3, 1).flatten(start_dim=1) for each in maps], dim=1)


def cell_shapes(size: float, next_size: float) -> list[Shape]:
    """List (width, height) of the eleven priors of a cell, in the unit of the sizes.

    Squares of three sizes and rectangles of 2, ½, 3 and ⅓ at two, evenly spaced (in the ratio) from
    this grid's size to the next one's.
    """
    growth = next_size / size
    squares = [size * growth ** (step / SQUARES) for step in range(SQUARES)]
    sides = [size * growth ** (step / 2) for step in range(2)]
    ratios = [ratio for each in STRETCHED for ratio in (each, 1 / each)]
    stretched = [(s * math.sqrt(r), s / math.sqrt(r)) for s in sides for r in ratios]
    return [*((square, square) for square in squares), *stretched]


def grid_levels(
    grids: Sequence[tuple[int, int]], sizes_unit: Sequence[float], size: tuple[int, int]
) -> list[PriorLevel]:
    """Lay out the priors of each grid of (rows, columns); that of the last is the whole image."""
    height, width = size
    levels = []
    for number, (rows, columns) in enumerate(grids):
        last = number == len(grids) - 1
        shapes = [(1.0, 1.0)] if last else cell_shapes(*sizes_unit[number : number + 2])
        stride = height / rows, width / columns
        in_pixels = tuple((w * width, h * height) for w, h in shapes)
        levels.append(
            PriorLevel((rows, columns), stride, (stride[0] / 2, stride[1] / 2), in_pixels)
        )
    return levels
