"""Layout of charts; the templates draw them.

A plotting library would write one image for one background. Plain SVG takes the colours and the
letters of the page it stands in, light or dark, on paper or on a phone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64

__all__ = ["Bubble", "Chart", "Dot", "Series", "chart"]

WIDTH, HEIGHT = 320, 220  # user units; letters are 11 of them high
LEFT, TOP, RIGHT, BOTTOM = 42.0, 10.0, 308.0, 180.0  # of the plot
MOST_POINTS = 300  # more than a line this wide can show
MOST_TICKS = 5  # on an axis of ratios


class Series(NamedTuple):
    """Line of a chart."""

    name: str
    xs: Float64[np.ndarray, " n"]
    ys: Float64[np.ndarray, " n"]


class Tick(NamedTuple):
    """Mark on an axis."""

    position: float  # user units
    text: str


class Dot(NamedTuple):
    """Named point, in user units once it is in a chart."""

    x: float
    y: float
    text: str


class Bubble(NamedTuple):
    """Point with a weight, in user units once it is in a chart."""

    x: float
    y: float
    radius: float  # user units
    text: str


@dataclass(frozen=True)
class Chart:
    """Laid-out chart in user units; the y axis points down, as in SVG."""

    title: str
    x_label: str
    y_label: str
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    lines: tuple[tuple[str, str], ...]  # name, SVG points "x,y x,y …"
    dot: Dot | None
    bubbles: tuple[Bubble, ...]
    width: int = WIDTH
    height: int = HEIGHT
    left: float = LEFT
    right: float = RIGHT
    top: float = TOP
    bottom: float = BOTTOM


def chart(
    title: str,
    lines: Sequence[Series],
    *,
    x_label: str,
    y_label: str,
    x_range: tuple[float, float],
    y_range: tuple[float, float],
    dot: Dot | None = None,
    bubbles: Sequence[Bubble] = (),
) -> Chart:
    """AxisScale lines, ticks, a dot and bubbles from their own ranges to the plot."""
    x_scale, y_scale = AxisScale(x_range, (LEFT, RIGHT)), AxisScale(y_range, (BOTTOM, TOP))
    if dot is not None:
        dot = dot._replace(x=x_scale(dot.x), y=y_scale(dot.y))
    return Chart(
        title=title,
        x_label=x_label,
        y_label=y_label,
        x_ticks=tuple(Tick(x_scale(value), format_tick(value)) for value in round_values(*x_range)),
        y_ticks=tuple(Tick(y_scale(value), format_tick(value)) for value in round_values(*y_range)),
        lines=tuple((line.name, svg_points(line, x_scale, y_scale)) for line in lines),
        dot=dot,
        bubbles=tuple(one._replace(x=x_scale(one.x), y=y_scale(one.y)) for one in bubbles),
    )


@dataclass(frozen=True)
class AxisScale:
    """Linear map from one range to another."""

    own: tuple[float, float]
    plot: tuple[float, float]

    def __call__(self, value: float) -> float:
        share = (value - self.own[0]) / (self.own[1] - self.own[0])
        return round(self.plot[0] + share * (self.plot[1] - self.plot[0]), 1)


def svg_points(line: Series, x_scale: AxisScale, y_scale: AxisScale) -> str:
    """Write the points of a line for SVG, thinned evenly to what can be seen."""
    count = len(line.xs)
    shown = np.unique(np.linspace(0, count - 1, min(count, MOST_POINTS)).round().astype(int))
    return " ".join(f"{x_scale(line.xs[i])},{y_scale(line.ys[i])}" for i in shown)


def round_values(lowest: float, highest: float) -> list[float]:
    """Choose up to six round values (steps of 1, 2 or 5 times a power of ten) within a range."""
    span = highest - lowest
    power = 10.0 ** math.floor(math.log10(span))
    step = next(step for step in (power / 5, power / 2, power, 2 * power) if span / step <= 5)
    first, last = math.ceil(lowest / step - 1e-9), math.floor(highest / step + 1e-9)
    return [count * step for count in range(first, last + 1)]


def format_tick(value: float) -> str:
    """Format a number in short: 0.2, 1500, 2e-05."""
    return f"{value:.6g}"


def round_ratios(low: float, high: float) -> list[float]:
    """Choose round values in about equal ratios: powers of ten, with 2 and 5 where few."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for factors in ((1, 2, 5), (1, 3), (1,)):
        values = [factor * 10.0**power for power in powers for factor in factors]
        inside = [value for value in values if low * 0.999 <= value <= high * 1.001]
        if len(inside) <= MOST_TICKS:
            return inside
    return inside[:: math.ceil(len(inside) / MOST_TICKS)]
