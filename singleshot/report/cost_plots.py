"""Scatter plots of detectors: accuracy against time, memory or size.

`parts/cost_plots.html` draws them, `detectors.css` has their colours.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from singleshot.metrics.intervals import AccuracyEstimate
from singleshot.report.charts import AxisScale, Tick, format_tick, round_ratios, round_values

__all__ = [
    "LARGE",
    "CostPlot",
    "Group",
    "Grouping",
    "PlotMark",
    "PlotSize",
    "cost_plot",
    "do_overlap",
    "label_block",
    "place_names",
]

LETTER, LINE = 6.0, 13.0  # width of a letter and height of a line, user units
GAP = 8.0  # between a mark and its name
MARGIN = 0.08  # of the range, on both sides
FEWEST_TICKS = 3
NARROWEST_RATIO = 1.5  # of the costs: less would look like more than it is
NARROWEST = 0.05  # of the average precisions
RADIUS = 5.0

# Paths of about equal area around (0, 0), for one framework each.
OUTLINES = (
    "M-8,0a8,8 0 1,0 16,0a8,8 0 1,0 -16,0z",
    "M-7.2,-7.2h14.4v14.4h-14.4z",
    "M0,-10.5L10.5,0L0,10.5L-10.5,0z",
    "M0,-10.5L11,8H-11z",
    "M-5,-8.5H5L9.8,0L5,8.5H-5L-9.8,0z",
    "M0,10.5L11,-8H-11z",
)
NUM_COLOURS = 8  # in the style sheet
APART = 15.0  # least distance of two marks, at which the numbers in both can be read

_Point = tuple[float, float]
LabelBlock = tuple[float, float, float, float]  # left, top, right, bottom


class PlotMark(NamedTuple):
    """A detector in a plot, in user units."""

    position: _Point
    interval: tuple[float | None, ...]  # y of its ends, the lower one first
    name: str
    text: str
    on_front: bool
    label: tuple[float, float, str]  # x and y of its name, and the SVG text anchor
    number: int  # as in the tables
    outline: str  # SVG path around (0, 0), by framework
    colour: int  # by backbone, from 1

    @property
    def x(self) -> float:
        """Distance from the left."""
        return self.position[0]

    @property
    def y(self) -> float:
        """Distance from the top."""
        return self.position[1]


class Group(NamedTuple):
    """A framework or a backbone in a plot, or what a detector of both looks like."""

    name: str  # empty for a detector
    outline: str
    colour: int  # 0 for none


@dataclass(frozen=True)
class Grouping:
    """Outlines by framework and colours by backbone, as in Huang et al. 2017, figure 2."""

    frameworks: tuple[str, ...]  # of each detector
    backbones: tuple[str, ...]

    def mark(self, index: int) -> Group:
        """Return the outline and the colour of a detector."""
        framework = self._places(self.frameworks)[self.frameworks[index]]
        backbone = self._places(self.backbones)[self.backbones[index]]
        return Group("", _outline(framework), 1 + backbone % NUM_COLOURS)

    @property
    def key(self) -> tuple[Group, ...]:
        """The groups to explain; none where all detectors are of one framework and backbone."""
        frameworks, backbones = self._places(self.frameworks), self._places(self.backbones)
        if len(frameworks) == len(backbones) == 1:
            return ()
        return (
            *(Group(name, _outline(place), 0) for name, place in frameworks.items()),
            *(
                Group(name, OUTLINES[0], 1 + place % NUM_COLOURS)
                for name, place in backbones.items()
            ),
        )

    @staticmethod
    def _places(names: Sequence[str]) -> dict[str, int]:
        """Number names in the order in which they come first."""
        return {name: place for place, name in enumerate(dict.fromkeys(names))}


def _outline(place: int) -> str:
    """Return the outline of a framework by its number."""
    return OUTLINES[place % len(OUTLINES)]


class PlotSize(NamedTuple):
    """Size and margins of a plot in user units; letters are 11 of them high."""

    width: int
    height: int
    left: float = 46.0
    top: float = 12.0
    margin_right: float = 14.0
    margin_bottom: float = 42.0

    @property
    def right(self) -> float:
        """Right edge of the drawing area."""
        return self.width - self.margin_right

    @property
    def bottom(self) -> float:
        """Bottom edge of the drawing area."""
        return self.height - self.margin_bottom


LARGE, SMALL = PlotSize(880, 430), PlotSize(340, 250)


@dataclass(frozen=True)
class CostPlot:
    """Mean average precision against a cost on a logarithmic axis."""

    title: str
    x_label: str
    y_label: str
    size: PlotSize
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    marks: tuple[PlotMark, ...]
    front: str  # SVG points of the Pareto front: the best accuracy for each cost
    with_names: bool
    key: tuple[Group, ...] = ()


def cost_plot(
    title: str,
    unit: str,
    costs: Sequence[float | None],
    estimates: Sequence[AccuracyEstimate],
    names: Sequence[str],
    *,
    on_front: Sequence[bool],
    y_label: str,
    grouping: Grouping,
    large: bool = False,
) -> CostPlot | None:
    """Plot detectors in the order of their numbers; None where a cost or an accuracy is unknown.

    Marks that would cover each other are moved to the side; the front stays in place.
    """
    known_costs = _all_known([cost or None for cost in costs])  # 0 has no logarithm
    known = _all_known([one.value for one in estimates])
    if known_costs is None or known is None:
        return None
    size = LARGE if large else SMALL
    x_range, y_range = _cost_range(known_costs), _accuracy_range(estimates)
    x_scale = _LogScale(x_range, (size.left, size.right))
    y_scale = AxisScale(y_range, (size.bottom, size.top))
    positions = [(x_scale(x), y_scale(y)) for x, y in zip(known_costs, known, strict=True)]
    shown = _move_apart(positions, size)
    labels = place_names(shown, names, size)
    ends = [
        tuple(None if end is None else y_scale(end) for end in (one.low, one.high))
        for one in estimates
    ]
    texts = [
        f"{name}: {accuracy:.3f} at {cost:,.4g} {unit}"
        for name, accuracy, cost in zip(names, known, known_costs, strict=True)
    ]
    marks = tuple(
        PlotMark(
            position=shown[index],
            interval=ends[index],
            name=names[index],
            text=texts[index],
            on_front=on_front[index],
            label=labels[index],
            number=index + 1,
            outline=grouping.mark(index).outline,
            colour=grouping.mark(index).colour,
        )
        for index in range(len(shown))
    )
    return CostPlot(
        title=title,
        x_label=unit,
        y_label=y_label,
        size=size,
        x_ticks=tuple(Tick(x_scale(value), f"{value:,.6g}") for value in _cost_ticks(*x_range)),
        y_ticks=tuple(Tick(y_scale(value), format_tick(value)) for value in round_values(*y_range)),
        marks=marks,
        front=_front_line(positions, on_front, size),
        with_names=large,
        key=grouping.key,
    )


def _move_apart(positions: Sequence[_Point], size: PlotSize) -> list[_Point]:
    """Move marks to the side, each as little as needed, until none covers one before it."""
    moved: list[_Point] = []
    for x, y in positions:
        steps = sorted(
            range(-len(positions), len(positions) + 1), key=lambda step: (abs(step), -step)
        )
        candidates = [(x + APART * step / 2, y) for step in steps]
        inside = [one for one in candidates if size.left <= one[0] <= size.right]
        free = [one for one in inside if all(math.dist(one, other) >= APART for other in moved)]
        moved.append((free or inside or candidates)[0])
    return moved


def _all_known(values: Sequence[float | None]) -> list[float] | None:
    """Return the values, or None if one is missing."""
    known = [value for value in values if value is not None]
    return known if len(known) == len(values) else None


@dataclass(frozen=True)
class _LogScale:
    """A logarithmic map from one range to another."""

    own: tuple[float, float]
    plot: tuple[float, float]

    def __call__(self, value: float) -> float:
        low, high = (math.log10(end) for end in self.own)
        return AxisScale((low, high), self.plot)(math.log10(value))


def _cost_range(costs: Sequence[float]) -> tuple[float, float]:
    """Return the range of the costs, padded on the logarithmic scale."""
    low, high = min(costs), max(costs)
    widen = max(NARROWEST_RATIO / (high / low), 1.0) ** 0.5 * (high / low) ** MARGIN * 1.05
    return low / widen, high * widen


def _cost_ticks(low: float, high: float) -> list[float]:
    """Return round values in equal ratios, or at equal distances where these are few."""
    ratios = round_ratios(low, high)
    return ratios if len(ratios) >= FEWEST_TICKS else round_values(low, high)


def _accuracy_range(estimates: Sequence[AccuracyEstimate]) -> tuple[float, float]:
    """Return the range of the intervals, padded, within 0 to 1."""
    values = [end for one in estimates for end in one if end is not None]
    low, high = min(values), max(values)
    padding = max(MARGIN * (high - low), (NARROWEST - (high - low)) / 2)
    return max(low - padding, 0.0), min(high + padding, 1.0)


def _front_line(
    positions: Sequence[tuple[float, float]], on_front: Sequence[bool], size: PlotSize
) -> str:
    """Draw the front as steps: level to the cost of the next more accurate detector, then up."""
    best = sorted({one for one, front in zip(positions, on_front, strict=True) if front})
    points = [best[0]]
    for x, y in best[1:]:
        points += [(x, points[-1][1]), (x, y)]
    points.append((size.right, points[-1][1]))
    return " ".join(f"{x:g},{y:g}" for x, y in points)


def place_names(
    positions: Sequence[_Point], names: Sequence[str], size: PlotSize
) -> list[tuple[float, float, str]]:
    """Place the name of each mark beside it without overlap, as far as there is space."""
    taken: list[LabelBlock] = [
        (x - RADIUS, y - RADIUS, x + RADIUS, y + RADIUS) for x, y in positions
    ]
    labels = []
    for (x, y), name in zip(positions, names, strict=True):
        width = LETTER * len(name)
        candidates = [
            (x + GAP, y - GAP, "start"),
            (x - GAP, y - GAP, "end"),
            (x + GAP, y + LINE + 1, "start"),
            (x - GAP, y + LINE + 1, "end"),
            (x + GAP, y - 2 * GAP - 4, "start"),
            (x - GAP, y + 2 * LINE, "end"),
        ]
        free = [
            candidate
            for candidate in candidates
            if _is_inside(label_block(candidate, width), size)
            and not any(do_overlap(label_block(candidate, width), other) for other in taken)
        ]
        chosen = (free or candidates)[0]
        taken.append(label_block(chosen, width))
        labels.append(chosen)
    return labels


def label_block(label: tuple[float, float, str], width: float) -> LabelBlock:
    """Return the area that a label covers."""
    x, y, anchor = label
    left = x if anchor == "start" else x - width
    return left, y - LINE + 3, left + width, y + 3


def _is_inside(block: LabelBlock, size: PlotSize) -> bool:
    """Test that an area lies in the plot."""
    left, top, right, bottom = block
    return left >= size.left and right <= size.width and top >= 0 and bottom <= size.bottom


def do_overlap(block: LabelBlock, other: LabelBlock) -> bool:
    """Test whether two areas overlap."""
    return (
        block[0] < other[2] and other[0] < block[2] and block[1] < other[3] and other[1] < block[3]
    )
