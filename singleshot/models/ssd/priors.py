"""The priors: boxes of fixed place, size and shape that predictions start from (paper §2.2).

The rules are those of the original's `prior_box_layer.cpp`; the numbers come from the recipe.
"""

import math
from dataclasses import dataclass
from itertools import product

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["PriorLevel", "prior_boxes"]


@dataclass(frozen=True, slots=True)
class PriorLevel:
    """The priors of one feature map."""

    grid: tuple[int, int]  # rows, columns
    stride: tuple[float, float]  # pixels between centres: down, across
    size: float  # pixels
    next_size: float  # of the following level
    aspect_ratios: tuple[float, ...]  # width / height; each is used with its inverse

    @property
    def shapes(self) -> list[tuple[float, float]]:
        """(width, height) in pixels of a cell's priors, in the order the heads predict them."""
        between = math.sqrt(self.size * self.next_size)
        stretched = [
            (self.size * math.sqrt(ratio), self.size / math.sqrt(ratio))
            for aspect_ratio in self.aspect_ratios
            for ratio in (aspect_ratio, 1 / aspect_ratio)
        ]
        return [(self.size, self.size), (between, between), *stretched]

    @property
    def num_priors_per_cell(self) -> int:
        """Two squares, and two for each aspect ratio."""
        return 2 + 2 * len(self.aspect_ratios)

    def __len__(self) -> int:
        rows, columns = self.grid
        return rows * columns * self.num_priors_per_cell

    def boxes_cxcywh(self) -> Float[Tensor, "priors 4"]:
        """Pixels of the input; row by row, cell by cell, then shape by shape; never clipped."""
        down, across = self.stride
        rows, columns = self.grid
        return torch.tensor(
            [
                ((column + 0.5) * across, (row + 0.5) * down, width, height)
                for row, column in product(range(rows), range(columns))
                for width, height in self.shapes
            ],
            dtype=torch.float64,
        )


def prior_boxes(levels: list[PriorLevel], size: tuple[int, int]) -> Float[Tensor, "priors 4"]:
    """(centre x, centre y, width, height) of all priors as fractions of the input."""
    height, width = size
    boxes = torch.cat([level.boxes_cxcywh() for level in levels])
    return (boxes / boxes.new_tensor([width, height, width, height])).float()
