"""The priors: boxes of fixed position, size and shape that predictions start from (paper §2.2).

Positions follow the original's `prior_box_layer.cpp`. Sizes and shapes follow the paper's rule
(`shapes_by_rule`), unless a recipe gives every shape itself.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor

from singleshot.detectors.common.box_coding import OFFSET_SCALES
from singleshot.detectors.common.priors import PriorLevel, Shape, prior_boxes
from singleshot.detectors.ssd.settings import PriorSettings
from singleshot.errors import ModelError

__all__ = ["Priors", "prior_levels", "shapes_by_rule", "shapes_of_levels"]


class Priors(NamedTuple):
    """The priors of an input, and the numbers that boxes are encoded with."""

    boxes_cxcywh_unit: Float[Tensor, "priors 4"]
    levels: tuple[PriorLevel, ...]
    size: tuple[int, int]  # (height, width) of the input in pixels
    offset_scales: tuple[float, float] = OFFSET_SCALES

    @classmethod
    def from_settings(
        cls,
        settings: PriorSettings,
        grids: Sequence[tuple[int, int]],
        size: tuple[int, int],
    ) -> "Priors":
        """Place priors on feature maps of (rows, columns) `grids`; `size` is the input's.

        Raises ModelError unless the recipe has an entry for each level.
        """
        if len(grids) != settings.num_levels:
            key = "shapes_unit" if settings.shapes_unit else "aspect_ratios"
            raise ModelError(
                f"the network has {len(grids)} levels, but model.priors.{key} has "
                f"{settings.num_levels}; give one entry for each level"
            )
        height, width = size
        if settings.shapes_unit:
            shapes = [
                tuple((w * width, h * height) for w, h in level) for level in settings.shapes_unit
            ]
        else:
            sizes, whole_pixels = settings.sizes_unit, settings.whole_pixels
            shapes = shapes_of_levels(
                sizes, settings.aspect_ratios, size, whole_pixels=whole_pixels
            )
        levels = prior_levels(
            grids,
            shapes,
            size,
            strides=settings.strides,
            first_centres=settings.first_centres,
            fixed_strides=settings.fixed_strides,
        )
        boxes = prior_boxes(levels, size, settings.clip)
        return cls(boxes, tuple(levels), size, settings.offset_scales)


def prior_levels(
    grids: Sequence[tuple[int, int]],
    shapes: Sequence[tuple[Shape, ...]],
    size: tuple[int, int],
    *,
    strides: Sequence[float] = (),
    first_centres: Sequence[float] = (),
    fixed_strides: bool = False,
) -> list[PriorLevel]:
    """Lay the shapes of each level on its (rows, columns) grid; `size` is (height, width).

    `strides` and `first_centres` are in pixels; left out, or where they do not span the input and
    are not fixed, cells are equal parts of the input.
    """
    strides = strides or (0.0,) * len(grids)
    centres = first_centres or (0.0,) * len(grids)
    levels = []
    for grid, of_cell, stride, centre in zip(grids, shapes, strides, centres, strict=True):
        down, top = _stride_along(size[0], grid[0], stride, centre, fixed=fixed_strides)
        across, left = _stride_along(size[1], grid[1], stride, centre, fixed=fixed_strides)
        levels.append(PriorLevel(grid, (down, across), (top, left), of_cell))
    return levels


def _stride_along(
    side: int, cells: int, stride: float, first_centre: float, *, fixed: bool
) -> tuple[float, float]:
    """Return stride and first centre along one side: those given, or equal parts of the side."""
    if not (stride and (fixed or _spans(side, cells, stride, first_centre))):
        stride, first_centre = side / cells, 0.0
    return stride, first_centre or stride / 2


def _spans(side: int, cells: int, stride: float, first_centre: float) -> bool:
    """Return whether cells cover a side; with a first centre, whether they lie in its middle."""
    if not first_centre:
        # A quarter of the last cell must be inside; of SSD300's tenth of 32 pixels, 12 are.
        return math.ceil(side / stride) == cells and (cells - 0.75) * stride <= side
    middle = first_centre + (cells - 1) * stride / 2
    return abs(middle - side / 2) < stride / 2


def shapes_of_levels(
    sizes_unit: Sequence[float],
    aspect_ratios: Sequence[Sequence[float]],
    size: tuple[int, int],
    *,
    whole_pixels: bool = False,
) -> list[tuple[Shape, ...]]:
    """Compute the shapes of each level in pixels by the paper's rule.

    `sizes_unit` are fractions of the shorter side of `size`, one more than there are levels;
    `whole_pixels` cuts them to whole numbers.
    """
    # Rounded first, or 0.37 · 300 might be cut to 110.
    sizes = [round(unit * min(size), 6) for unit in sizes_unit]
    if whole_pixels:
        sizes = [float(int(side)) for side in sizes]
    levels = zip(sizes, sizes[1:], aspect_ratios, strict=False)
    return [shapes_by_rule(side, following, ratios) for side, following, ratios in levels]


def shapes_by_rule(
    size: float, next_size: float, aspect_ratios: Sequence[float]
) -> tuple[Shape, ...]:
    """Return the paper's shapes of a cell: two squares, then each aspect ratio and its inverse.

    Paper §2.2, "Choosing scales and aspect ratios for default boxes".
    """
    between = math.sqrt(size * next_size)
    stretched = [
        (size * math.sqrt(ratio), size / math.sqrt(ratio))
        for aspect_ratio in aspect_ratios
        for ratio in (aspect_ratio, 1 / aspect_ratio)
    ]
    return ((size, size), (between, between), *stretched)
