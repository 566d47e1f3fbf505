"""The plots of a comparison: what accuracy costs, in time, memory and size."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from singleshot.comparison.standings import Estimate
from singleshot.report.charts import Scale, Tick, round_ratios, round_values, text_of

__all__ = ["Plot", "PlotMark", "cost_plot"]

LETTER, LINE = 6.0, 13.0  # width of a letter and height of a line, user units
GAP = 8.0  # between a mark and its name
MARGIN = 0.08  # of the range, on both sides
FEWEST_TICKS = 3
NARROWEST_RATIO = 1.5  # of the costs: less would look like more than it is
NARROWEST = 0.05  # of the average precisions
RADIUS = 5.0


class PlotMark(NamedTuple):
    """A detector in a plot, in user units."""

    place: tuple[float, float]
    interval: tuple[float | None, ...]  # where its ends are, the lower one first
    name: str
    text: str
    on_front: bool
    label: tuple[float, float, str]  # where its name begins, and how it is anchored
    number: int  # as in the tables

    @property
    def x(self) -> float:
        """From the left."""
        return self.place[0]

    @property
    def y(self) -> float:
        """From above."""
        return self.place[1]


class Size(NamedTuple):
    """Of a plot, user units; letters are 11 of them high."""

    width: int
    height: int
    left: float = 46.0
    top: float = 12.0
    margin_right: float = 14.0
    margin_bottom: float = 42.0

    @property
    def right(self) -> float:
        return self.width - self.margin_right

    @property
    def bottom(self) -> float:
        return self.height - self.margin_bottom


LARGE, SMALL = Size(880, 430), Size(340, 250)


@dataclass(frozen=True)
class Plot:
    """Mean average precision against a cost, whose axis is one of ratios."""

    title: str
    x_label: str
    y_label: str
    size: Size
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    marks: tuple[PlotMark, ...]
    front: str  # SVG points: what can be had for each cost
    with_names: bool


def cost_plot(
    title: str,
    unit: str,
    costs: Sequence[float | None],
    estimates: Sequence[Estimate],
    names: Sequence[str],
    *,
    on_front: Sequence[bool],
    y_label: str,
    large: bool = False,
) -> Plot | None:
    """Detectors in the order of their numbers; None where a cost or a precision is unknown."""
    known_costs = all_known([cost or None for cost in costs])  # nothing has no logarithm
    known = all_known([one.value for one in estimates])
    if known_costs is None or known is None:
        return None
    size = LARGE if large else SMALL
    x_range, y_range = ratio_range(known_costs), worth_range(estimates)
    x_scale = RatioScale(x_range, (size.left, size.right))
    y_scale = Scale(y_range, (size.bottom, size.top))
    places = [(x_scale(x), y_scale(y)) for x, y in zip(known_costs, known, strict=True)]
    labels = place_labels(places, names, size)
    ends = [
        tuple(None if end is None else y_scale(end) for end in (one.low, one.high))
        for one in estimates
    ]
    texts = [
        f"{name}: {worth:.3f} at {cost:,.4g} {unit}"
        for name, worth, cost in zip(names, known, known_costs, strict=True)
    ]
    columns = zip(places, ends, names, texts, on_front, labels, strict=True)
    marks = tuple(
        PlotMark(place, interval, name, text, front, label, number)
        for number, (place, interval, name, text, front, label) in enumerate(columns, start=1)
    )
    return Plot(
        title=title,
        x_label=unit,
        y_label=y_label,
        size=size,
        x_ticks=tuple(Tick(x_scale(value), f"{value:,.6g}") for value in ticks(*x_range)),
        y_ticks=tuple(Tick(y_scale(value), text_of(value)) for value in round_values(*y_range)),
        marks=marks,
        front=stairs(places, on_front, size),
        with_names=large,
    )


def all_known(values: Sequence[float | None]) -> list[float] | None:
    """The values, if there is none missing."""
    known = [value for value in values if value is not None]
    return known if len(known) == len(values) else None


@dataclass(frozen=True)
class RatioScale:
    """A map from a range to another by which equal ratios are equally long."""

    own: tuple[float, float]
    plot: tuple[float, float]

    def __call__(self, value: float) -> float:
        low, high = (math.log10(end) for end in self.own)
        return Scale((low, high), self.plot)(math.log10(value))


def ratio_range(costs: Sequence[float]) -> tuple[float, float]:
    """A little more than the costs take, in ratios."""
    low, high = min(costs), max(costs)
    widen = max(NARROWEST_RATIO / (high / low), 1.0) ** 0.5 * (high / low) ** MARGIN * 1.05
    return low / widen, high * widen


def ticks(low: float, high: float) -> list[float]:
    """Round values in equal ratios, or, of a range with few of them, equally far apart."""
    ratios = round_ratios(low, high)
    return ratios if len(ratios) >= FEWEST_TICKS else round_values(low, high)


def worth_range(estimates: Sequence[Estimate]) -> tuple[float, float]:
    """A little more than the intervals take, within 0 to 1."""
    values = [end for one in estimates for end in one if end is not None]
    low, high = min(values), max(values)
    padding = max(MARGIN * (high - low), (NARROWEST - (high - low)) / 2)
    return max(low - padding, 0.0), min(high + padding, 1.0)


def stairs(places: Sequence[tuple[float, float]], on_front: Sequence[bool], size: Size) -> str:
    """From each detector on the front level to the cost of the next better one."""
    best = sorted({place for place, front in zip(places, on_front, strict=True) if front})
    points = [best[0]]
    for x, y in best[1:]:
        points += [(x, points[-1][1]), (x, y)]
    points.append((size.right, points[-1][1]))
    return " ".join(f"{x:g},{y:g}" for x, y in points)


Block = tuple[float, float, float, float]  # left, top, right, bottom


def place_labels(
    places: Sequence[tuple[float, float]], names: Sequence[str], size: Size
) -> list[tuple[float, float, str]]:
    """A free place beside each mark for its name, the first ones choosing first."""
    taken: list[Block] = [(x - RADIUS, y - RADIUS, x + RADIUS, y + RADIUS) for x, y in places]
    labels = []
    for (x, y), name in zip(places, names, strict=True):
        width = LETTER * len(name)
        offers = [
            (x + GAP, y - GAP, "start"),
            (x - GAP, y - GAP, "end"),
            (x + GAP, y + LINE + 1, "start"),
            (x - GAP, y + LINE + 1, "end"),
            (x + GAP, y - 2 * GAP - 4, "start"),
            (x - GAP, y + 2 * LINE, "end"),
        ]
        free = [
            offer
            for offer in offers
            if inside(block_of(offer, width), size)
            and not any(cross(block_of(offer, width), other) for other in taken)
        ]
        chosen = (free or offers)[0]
        taken.append(block_of(chosen, width))
        labels.append(chosen)
    return labels


def block_of(label: tuple[float, float, str], width: float) -> Block:
    """What a label covers."""
    x, y, anchor = label
    left = x if anchor == "start" else x - width
    return left, y - LINE + 3, left + width, y + 3


def inside(block: Block, size: Size) -> bool:
    """Whether it lies in the plot."""
    left, top, right, bottom = block
    return left >= size.left and right <= size.width and top >= 0 and bottom <= size.bottom


def cross(block: Block, other: Block) -> bool:
    """Whether two blocks share an area."""
    return (
        block[0] < other[2] and other[0] < block[2] and block[1] < other[3] and other[1] < block[3]
    )
