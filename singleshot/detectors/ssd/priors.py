"""The priors: boxes of fixed place, size and shape that predictions start from (paper §2.2).

The rules are those of the original's `prior_box_layer.cpp`; the numbers come from the recipe.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import torch
from jaxtyping import Float
from torch import Tensor

from singleshot.boxes.geometry import to_centres, to_corners
from singleshot.detectors.ssd.settings import PriorSettings
from singleshot.errors import ModelError

__all__ = ["PriorLevel", "prior_boxes", "prior_levels", "shapes_by_rule"]

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
        """Pixels of the input; row by row, cell by cell, then shape by shape; never clipped."""
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


def prior_boxes(
    levels: Sequence[PriorLevel], size: tuple[int, int], clip: str = "none"
) -> Float[Tensor, "priors 4"]:
    """(centre x, centre y, width, height) of all priors as fractions of the input."""
    height, width = size
    boxes = torch.cat([level.boxes_cxcywh() for level in levels])
    unit = boxes / boxes.new_tensor([width, height, width, height])
    match clip:
        case "size":
            unit = torch.cat([unit[:, :2], unit[:, 2:].clamp(0, 1)], dim=1)
        case "centre":
            unit = unit.clamp(0, 1)
        case "corners":
            unit = to_centres(to_corners(unit).clamp(0, 1))
    return unit.float()


def prior_levels(
    grids: Sequence[tuple[int, int]], settings: PriorSettings, size: tuple[int, int]
) -> list[PriorLevel]:
    """Grids from the network, sizes and shapes from the recipe; `size` is the input's."""
    if len(grids) != settings.num_levels:
        key = "shapes_unit" if settings.shapes_unit else "aspect_ratios"
        raise ModelError(
            f"the network has {len(grids)} levels, but model.priors.{key} speaks of "
            f"{settings.num_levels}; give one entry for each level"
        )
    strides = settings.strides or (0.0,) * len(grids)
    centres = settings.first_centres or (0.0,) * len(grids)
    levels = []
    for grid, stride, centre, shapes in zip(
        grids, strides, centres, shapes_of(settings, size), strict=True
    ):
        fixed = settings.fixed_strides
        down, top = along(size[0], grid[0], stride, centre, fixed=fixed)
        across, left = along(size[1], grid[1], stride, centre, fixed=fixed)
        levels.append(PriorLevel(grid, (down, across), (top, left), shapes))
    return levels


def along(
    side: int, cells: int, stride: float, first_centre: float, *, fixed: bool
) -> tuple[float, float]:
    """The recipe's stride and first centre if fixed or cells cover the side, else equal parts."""
    if not (stride and (fixed or covers(side, cells, stride, first_centre))):
        stride, first_centre = side / cells, 0.0
    return stride, first_centre or stride / 2


def covers(side: int, cells: int, stride: float, first_centre: float) -> bool:
    """With a first centre of their own, cells may leave a border: they lie in the middle then."""
    if not first_centre:
        # Of the last cell a quarter at least is seen; of SSD300's tenth of 32 pixels, 12 are.
        return math.ceil(side / stride) == cells and (cells - 0.75) * stride <= side
    middle = first_centre + (cells - 1) * stride / 2
    return abs(middle - side / 2) < stride / 2


def shapes_of(settings: PriorSettings, size: tuple[int, int]) -> list[tuple[Shape, ...]]:
    """Shapes of each level in pixels."""
    height, width = size
    if settings.shapes_unit:
        return [tuple((w * width, h * height) for w, h in level) for level in settings.shapes_unit]
    # Rounded first, or 0.37 · 300 might be cut to 110.
    sizes = [round(unit * min(size), 6) for unit in settings.sizes_unit]
    if settings.whole_pixels:
        sizes = [float(int(side)) for side in sizes]
    levels = zip(sizes, sizes[1:], settings.aspect_ratios, strict=False)
    return [shapes_by_rule(side, following, ratios) for side, following, ratios in levels]


def shapes_by_rule(
    size: float, next_size: float, aspect_ratios: Sequence[float]
) -> tuple[Shape, ...]:
    """The paper's: two squares, then each aspect ratio and its inverse (§2.2)."""
    between = math.sqrt(size * next_size)
    stretched = [
        (size * math.sqrt(ratio), size / math.sqrt(ratio))
        for aspect_ratio in aspect_ratios
        for ratio in (aspect_ratio, 1 / aspect_ratio)
    ]
    return ((size, size), (between, between), *stretched)
