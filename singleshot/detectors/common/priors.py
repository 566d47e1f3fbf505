"""Priors on the cells of feature maps: boxes that predictions are encoded against.

SSD and MultiBox place them alike; the rules for their sizes and shapes are each family's own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor
from typing_extensions import assert_never

from singleshot.boxes.geometry import to_centres, to_corners
from singleshot.detectors.common.settings import Clip

__all__ = ["MinedNegatives", "PriorLayout", "PriorLevel", "PriorMatches", "Shape", "prior_boxes"]

Shape = tuple[float, float]  # (width, height) in pixels


@dataclass(frozen=True, slots=True)
class PriorLevel:
    """The priors of one feature map."""

    grid: tuple[int, int]  # rows, columns
    stride: tuple[float, float]  # pixels between centres: down, across
    first_centre: tuple[float, float]  # pixels: down, across
    shapes: tuple[Shape, ...]  # of a cell's priors, in the order the heads predict them

    @property
    def num_priors_per_cell(self) -> int:
        """One for each shape."""
        return len(self.shapes)

    def __len__(self) -> int:
        rows, columns = self.grid
        return rows * columns * self.num_priors_per_cell

    def boxes_cxcywh(self) -> Float[Tensor, "priors 4"]:
        """Return unclipped boxes in pixels of the input; by row, cell, then shape."""
        (down, across), (top, left) = self.stride, self.first_centre
        rows, columns = self.grid
        return torch.tensor(
            [
                (left + column * across, top + row * down, width, height)
                for row, column in product(range(rows), range(columns))
                for width, height in self.shapes
            ],
            dtype=torch.float64,
        )


@dataclass(frozen=True, slots=True)
class PriorLayout:
    """All priors of a detector as training matches them, the finest level first."""

    levels: tuple[PriorLevel, ...]
    size: tuple[int, int]  # (height, width) of the input in pixels
    boxes: Float[Tensor, "priors 4"]  # in pixels of the input, clipped as the recipe has it

    def level_of_prior(self) -> Int[Tensor, " priors"]:
        """Return the number of each prior's level."""
        lengths = torch.tensor([len(level) for level in self.levels])
        return torch.arange(len(self.levels)).repeat_interleave(lengths)


class PriorMatches(NamedTuple):
    """The priors of a batch that are trained on an object."""

    image: Int[Tensor, " n"]
    prior: Int[Tensor, " n"]
    boxes: Float[Tensor, "n 4"]  # of the objects, in pixels of the input


class MinedNegatives(NamedTuple):
    """The priors of a batch that the loss trains as background, highest score first."""

    image: Int[Tensor, " n"]
    prior: Int[Tensor, " n"]
    score: Float[Tensor, " n"]  # of its most probable class, by the network
    label: Int[Tensor, " n"]  # of that class


def prior_boxes(
    levels: Sequence[PriorLevel], size: tuple[int, int], clip: Clip = "none"
) -> Float[Tensor, "priors 4"]:
    """Return (centre x, centre y, width, height) of all priors as fractions of the input.

    `size` is (height, width) of the input. Clipping limits to it: "size" the width and height,
    "centre" the centre as well; "corners" cuts boxes off at its edges.
    """
    height, width = size
    boxes = torch.cat([level.boxes_cxcywh() for level in levels])
    unit = boxes / boxes.new_tensor([width, height, width, height])
    match clip:
        case "none":
            pass
        case "size":
            unit = torch.cat([unit[:, :2], unit[:, 2:].clamp(0, 1)], dim=1)
        case "centre":
            unit = unit.clamp(0, 1)
        case "corners":
            unit = to_centres(to_corners(unit).clamp(0, 1))
        case _:
            assert_never(clip)
    return unit.float()
