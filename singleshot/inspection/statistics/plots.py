"""Charts of a data set: histograms, maps of places, sizes of images."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Int64

from singleshot.inspection.statistics.measure import (
    LARGE_AREA,
    SMALL_AREA,
    ObjectArrays,
    centre_map,
    coverage_map,
)
from singleshot.inspection.statistics.result import DataStatistics
from singleshot.report.charts import (
    AxisScale,
    Bubble,
    Chart,
    Tick,
    chart,
    format_tick,
    round_ratios,
    round_values,
)

__all__ = [
    "BarPanel",
    "PlaceMap",
    "aspect_panel",
    "frequency_panel",
    "image_size_chart",
    "map_centres",
    "map_coverage",
    "map_shapes",
    "object_size_panel",
    "per_image_panel",
]

NUM_BINS = 28
MOST_ASPECT = 8.0  # and its inverse: what is beyond is in the last bin
MAP_SIDE = 28  # cells
GAMMA = 0.6  # of the shade of a cell, so that few objects can be seen beside many
LARGEST_BUBBLE = 13.0  # user units
MAP_LENGTH = 240.0  # user units of the longer side


class Bar(NamedTuple):
    """A bar or cell in user units."""

    x: float
    y: float
    width: float
    height: float
    text: str


class LimitMark(NamedTuple):
    """A vertical line with its meaning."""

    x: float
    text: str


@dataclass(frozen=True)
class BarPanel:
    """A chart of bars."""

    chart: Chart
    bars: tuple[Bar, ...]
    marks: tuple[LimitMark, ...] = ()


class Shade(NamedTuple):
    """A cell of a map."""

    x: float
    y: float
    opacity: float


@dataclass(frozen=True)
class PlaceMap:
    """Cells of a map over the image, the darkest where most objects are."""

    width: float  # user units
    height: float
    cell: tuple[float, float]  # width and height
    shades: tuple[Shade, ...]
    most: int  # objects in the darkest cell
    centre: str  # in words, where most objects are


@dataclass(frozen=True)
class _Axis:
    """The horizontal axis of a histogram; its values may be logarithms."""

    label: str
    ticks: Sequence[tuple[float, str]]
    describe: Callable[[float, float], str]  # a bin, by its edges
    marks: Sequence[tuple[float, str]] = ()  # limits to draw


def object_size_panel(objects: ObjectArrays) -> BarPanel:
    """Plot the sizes of boxes on a logarithmic axis, with COCO's limits."""
    values = np.log(np.maximum(objects.lengths, 1))
    low, high = float(values.min()) - 0.05, float(values.max()) + 0.05
    marks = {math.sqrt(SMALL_AREA): "32 pixels", math.sqrt(LARGE_AREA): "96 pixels"}
    return _histogram(
        "Sizes of objects",
        values,
        np.linspace(low, high, NUM_BINS + 1),
        _Axis(
            label="side of a square of the same area, pixels",
            ticks=[(math.log(one), format_tick(one)) for one in round_ratios(*np.exp([low, high]))],
            describe=lambda start, end: f"{math.exp(start):.0f} to {math.exp(end):.0f} pixels",
            marks=[(math.log(side), text) for side, text in marks.items()],
        ),
    )


def aspect_panel(objects: ObjectArrays) -> BarPanel:
    """Plot width by height of boxes on a logarithmic axis."""
    limit = math.log2(MOST_ASPECT)
    values = np.log2(objects.aspect_ratios).clip(-limit, limit)
    names = ("1:8", "1:4", "1:2", "1:1", "2:1", "4:1", "8:1")
    return _histogram(
        "Aspect ratios of objects",
        values,
        np.linspace(-limit, limit, NUM_BINS + 2),  # an odd number: one bin around 1:1
        _Axis(
            label="width : height",
            ticks=list(zip(np.linspace(-limit, limit, 7).tolist(), names, strict=True)),
            describe=lambda start, end: f"{2**start:.2g} to {2**end:.2g}",
        ),
    )


def per_image_panel(counts: Int64[np.ndarray, " images"]) -> BarPanel:
    """Plot how many images have how many objects."""
    most = int(counts.max(initial=0))
    step = math.ceil((most + 1) / NUM_BINS)
    edges = np.arange(0, most + step + 1, step) - 0.5
    return _histogram(
        "Objects in an image",
        counts.astype(np.float64),
        edges,
        _Axis(
            label="objects",
            ticks=[
                (value, format_tick(value))
                for value in round_values(0, float(max(most, 1)))
                if value == round(value)
            ],
            describe=lambda start, end: (
                f"{math.ceil(start)} objects"
                if step == 1
                else f"{math.ceil(start)} to {math.floor(end)} objects"
            ),
        ),
        unit="images",
    )


def frequency_panel(result: DataStatistics) -> BarPanel:
    """Plot the objects of each class on a logarithmic axis, the most frequent class first."""
    objects = [(name, one.objects) for name, one in result.per_class.items()]
    top = math.log10(max(10, *(count for _, count in objects)))
    drawn = chart(
        "Objects of each class",
        [],
        x_label="classes, the most frequent first",
        y_label="objects",
        x_range=(0, len(objects)),
        y_range=(0, top),
    )
    y_scale = AxisScale((0, top), (drawn.bottom, drawn.top))
    ticks = [one for one in round_ratios(1, 10**top) if one >= 1]
    drawn = replace(
        drawn,
        y_ticks=tuple(Tick(y_scale(math.log10(one)), f"{one:,.0f}") for one in ticks),
    )
    step = (drawn.right - drawn.left) / len(objects)
    # A class of one object has no height on this axis: it gets a line.
    heights = [max(drawn.bottom - y_scale(math.log10(count)), 1) for _, count in objects if count]
    bars = [
        Bar(
            round(drawn.left + index * step, 2),
            round(drawn.bottom - height, 1),
            round(max(step * 0.9, 0.2), 2),
            round(height, 1),
            f"{name}: {count:,}",
        )
        for index, ((name, count), height) in enumerate(zip(objects, heights, strict=False))
    ]
    return BarPanel(drawn, tuple(bars))


def image_size_chart(result: DataStatistics) -> Chart | None:
    """Plot width and height of images; None where no size is known."""
    sizes = result.image_sizes
    if not sizes:
        return None
    most = max(one.images for one in sizes)
    widest, highest = max(one.width for one in sizes), max(one.height for one in sizes)
    return chart(
        "Sizes of images",
        [],
        x_label="width, pixels",
        y_label="height",
        x_range=(0, widest * 1.1),
        y_range=(0, highest * 1.1),
        bubbles=[
            Bubble(
                one.width,
                one.height,
                max(LARGEST_BUBBLE * math.sqrt(one.images / most), 2.5),
                f"{one.width} × {one.height}: {one.images:,} images",
            )
            for one in sizes
        ],
    )


def map_coverage(objects: ObjectArrays) -> PlaceMap:
    """Map how many boxes cover each place of the image."""
    known = objects.in_known_images
    return _map(coverage_map(known.boxes_unit(), MAP_SIDE), _shape_of(known))


def map_centres(objects: ObjectArrays, side: int = MAP_SIDE) -> PlaceMap:
    """Map where the centres of boxes are."""
    known = objects.in_known_images
    return _map(centre_map(known.boxes_unit(), side), _shape_of(known))


def map_shapes(objects: ObjectArrays) -> PlaceMap:
    """Map width (to the right) and height (upwards) of boxes as shares of the image's."""
    boxes = objects.in_known_images.boxes_unit()
    sides = boxes[:, 2:] - boxes[:, :2]
    # As boxes whose centre is at (width, 1 - height): the origin is below on the left.
    places = np.stack([sides[:, 0], 1 - sides[:, 1]] * 2, axis=1)
    return _map(centre_map(places, MAP_SIDE), 1.0)


def _shape_of(objects: ObjectArrays) -> float:
    """Return the median of width by height of the images with objects."""
    sizes = objects.image_sizes[np.unique(objects.image)]
    return float(np.median(sizes[:, 1] / sizes[:, 0])) if len(sizes) else 1.0


def _map(counts: Int64[np.ndarray, "s s"], shape: float) -> PlaceMap:
    """Shade the cells of a map whose width by height is `shape`, within bounds."""
    shape = min(max(shape, 0.5), 2.0)
    width, height = MAP_LENGTH * min(shape, 1), MAP_LENGTH * min(1 / shape, 1)
    rows, columns = counts.shape
    cell = width / columns, height / rows
    most = int(counts.max(initial=0))
    shades = tuple(
        Shade(
            round(column * cell[0], 2),
            round(row * cell[1], 2),
            round(float(counts[row, column] / most) ** GAMMA, 2),
        )
        for row, column in np.argwhere(counts > 0).tolist()
    )
    row, column = np.unravel_index(int(counts.argmax()), counts.shape)
    places = (("top", "middle", "bottom"), ("left", "centre", "right"))
    words = (places[0][3 * int(row) // rows], places[1][3 * int(column) // columns])
    size = round(cell[0], 2), round(cell[1], 2)
    return PlaceMap(round(width, 1), round(height, 1), size, shades, most, " ".join(words))


def _histogram(
    title: str,
    values: Float64[np.ndarray, " n"],
    edges: Float64[np.ndarray, " bins"],
    axis: _Axis,
    *,
    unit: str = "objects",
) -> BarPanel:
    """Plot how many values are between each two edges."""
    counts, _ = np.histogram(values, edges)
    x_range, top = (float(edges[0]), float(edges[-1])), max(float(counts.max()) * 1.08, 1.0)
    drawn = chart(title, [], x_label=axis.label, y_label=unit, x_range=x_range, y_range=(0, top))
    x_scale = AxisScale(x_range, (drawn.left, drawn.right))
    y_scale = AxisScale((0, top), (drawn.bottom, drawn.top))
    bars = tuple(
        Bar(
            x_scale(start) + 0.5,
            y_scale(count),
            max(round(x_scale(end) - x_scale(start) - 1, 1), 0.5),
            round(drawn.bottom - y_scale(count), 1),
            f"{axis.describe(start, end)}: {count:,} {unit}",
        )
        for start, end, count in zip(edges[:-1], edges[1:], counts.tolist(), strict=True)
        if count
    )
    inside = [mark for mark in axis.marks if x_range[0] < mark[0] < x_range[1]]
    drawn = replace(
        drawn,
        x_ticks=tuple(Tick(x_scale(value), text) for value, text in axis.ticks),
        y_ticks=tuple(
            tick._replace(text=f"{float(tick.text):,.0f}")
            for tick in drawn.y_ticks
            if float(tick.text).is_integer()
        ),
    )
    return BarPanel(drawn, bars, tuple(LimitMark(x_scale(value), text) for value, text in inside))
