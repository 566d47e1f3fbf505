"""Charts of a coverage: best IoUs, sizes of objects and priors, and the priors of each level."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from singleshot.inspection.coverage.result import (
    IOU_THRESHOLD,
    NUM_BINS,
    LevelCoverage,
    Measured,
)
from singleshot.report.charts import (
    AxisScale,
    Chart,
    Series,
    Tick,
    chart,
    format_tick,
    round_ratios,
)

__all__ = [
    "HistogramPanel",
    "LevelFigure",
    "SizePanel",
    "histogram_panel",
    "level_figure",
    "size_panel",
]

MOST_OBJECTS = 600  # in a chart of sizes, drawn evenly
MARGIN = 1.15  # factor beyond the smallest and the largest side
FINEST_GRID = 24  # lines of a figure: closer ones would be a grey area


class Rectangle(NamedTuple):
    """A rectangle in user units."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class HistogramPanel:
    """Objects by their best IoU: bars, and a line for fitted priors."""

    chart: Chart
    bars: tuple[Rectangle, ...]
    threshold: float  # x of IoU 0.5


@dataclass(frozen=True)
class SizePanel:
    """Widths and heights of objects and of priors."""

    chart: Chart
    covered: tuple[tuple[float, float], ...]
    uncovered: tuple[tuple[float, float], ...]
    priors: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class LevelFigure:
    """The priors of one cell of a level, drawn to scale in the input; in pixels of the input."""

    columns: tuple[float, ...]  # x of the lines of the grid; empty for a fine one
    rows: tuple[float, ...]
    cell: Rectangle
    priors: tuple[Rectangle, ...]


def histogram_panel(before: Sequence[int], after: Sequence[int] | None) -> HistogramPanel:
    """Plot the shares of objects in each bin of best IoUs."""
    both = [np.array(one) / max(sum(one), 1) for one in (before, after) if one is not None]
    top = max(0.05, *(float(shares.max()) for shares in both)) * 1.05
    edges = np.arange(NUM_BINS + 1) / NUM_BINS
    lines = [
        # Up and down at each edge: the outline of a histogram.
        Series("fitted priors", edges.repeat(2), np.pad(shares.repeat(2), 1))
        for shares in both[1:]
    ]
    drawn = chart(
        "Best IoU of each object",
        lines,
        x_label="best IoU of any prior",
        y_label="share of objects",
        x_range=(0, 1),
        y_range=(0, top),
    )
    x_scale = AxisScale((0, 1), (drawn.left, drawn.right))
    y_scale = AxisScale((0, top), (drawn.bottom, drawn.top))
    bars = tuple(
        Rectangle(
            x_scale(edges[index]) + 0.5,
            y_scale(share),
            round(x_scale(edges[index + 1]) - x_scale(edges[index]) - 1, 1),
            round(drawn.bottom - y_scale(share), 1),
        )
        for index, share in enumerate(both[0])
        if share > 0
    )
    percent = tuple(tick._replace(text=f"{100 * float(tick.text):.0f} %") for tick in drawn.y_ticks)
    return HistogramPanel(replace(drawn, y_ticks=percent), bars, x_scale(IOU_THRESHOLD))


def size_panel(title: str, measured: Measured, limits: tuple[float, float]) -> SizePanel:
    """Plot (width, height) of objects and priors in pixels of the input, on logarithmic scales.

    `limits` are of both axes, in pixels.
    """
    boxes = measured.objects.boxes
    number = min(len(boxes), MOST_OBJECTS)
    some = np.linspace(0, len(boxes) - 1, number).astype(int)
    sizes = (boxes[:, 2:] - boxes[:, :2]).numpy()[some]
    covered = (measured.best.iou >= IOU_THRESHOLD).numpy()[some]
    low, high = (math.log(limit) for limit in limits)
    drawn = chart(
        title,
        [],
        x_label="width, pixels of the input",
        y_label="height",
        x_range=(low, high),
        y_range=(low, high),
    )
    x_scale = AxisScale((low, high), (drawn.left, drawn.right))
    y_scale = AxisScale((low, high), (drawn.bottom, drawn.top))
    ticks = round_ratios(*limits)

    def place(sides: Sequence[float]) -> tuple[float, float]:
        width, height = (min(max(math.log(side), low), high) for side in sides)
        return x_scale(width), y_scale(height)

    drawn = replace(
        drawn,
        x_ticks=tuple(Tick(x_scale(math.log(side)), format_tick(side)) for side in ticks),
        y_ticks=tuple(Tick(y_scale(math.log(side)), format_tick(side)) for side in ticks),
    )
    return SizePanel(
        drawn,
        covered=tuple(place(one) for one in sizes[covered].tolist()),
        uncovered=tuple(place(one) for one in sizes[~covered].tolist()),
        priors=tuple(place(shape) for level in measured.layout.levels for shape in level.shapes),
    )


def size_limits(several: Sequence[Measured]) -> tuple[float, float]:
    """Return the smallest and the largest side of all objects and priors, with a margin."""
    sides = [
        side
        for measured in several
        for level in measured.layout.levels
        for shape in level.shapes
        for side in shape
    ]
    for measured in several:
        boxes = measured.objects.boxes
        lengths = boxes[:, 2:] - boxes[:, :2]
        sides += [float(lengths.min()), float(lengths.max())]
    return max(min(sides), 1.0) / MARGIN, max(sides) * MARGIN


def level_figure(level: LevelCoverage) -> LevelFigure:
    """Draw the priors of the middle cell."""
    (rows, columns), (down, across) = level.grid, level.stride
    x, y = ((columns - 1) // 2 + 0.5) * across, ((rows - 1) // 2 + 0.5) * down
    fine = max(rows, columns) > FINEST_GRID
    return LevelFigure(
        columns=() if fine else tuple(round(i * across, 1) for i in range(1, columns)),
        rows=() if fine else tuple(round(i * down, 1) for i in range(1, rows)),
        cell=_centred(x, y, across, down),
        priors=tuple(_centred(x, y, *shape) for shape in level.shapes),
    )


def _centred(x: float, y: float, width: float, height: float) -> Rectangle:
    """Place a rectangle around a point."""
    values = (x - width / 2, y - height / 2, width, height)
    return Rectangle(*(round(value, 1) for value in values))
