"""The page of a comparison: who is better, who is faster, and how sure that is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from singleshot.comparison.contest import Contender, Contest
from singleshot.comparison.pareto import front_of, pareto_front
from singleshot.comparison.plots import Plot, cost_plot
from singleshot.comparison.side_by_side import Shown
from singleshot.comparison.standings import LEVEL, Estimate, Pair
from singleshot.evaluation.page import IN_WORDS
from singleshot.files import write_atomically
from singleshot.metrics import Protocol
from singleshot.metrics.bootstrap import FEWEST_IMAGES
from singleshot.metrics.speed import Speed
from singleshot.report.page import HERE, content_hash, environment

__all__ = ["ComparisonPage", "write_comparison"]

MOST_LISTED = 10  # pairs that are listed openly
SAME_MEMORY = 0.05  # a difference that one and the same detector may show
SPEED = "Accuracy and speed"
RULES = {
    Protocol.VOC07: "PASCAL VOC 2007, IoU {iou_threshold:g}",
    Protocol.VOC10: "PASCAL VOC 2010, IoU {iou_threshold:g}",
    Protocol.COCO: "COCO, IoU 0.50 to 0.95",
}


@dataclass(frozen=True)
class ComparisonPage:
    """What the page of a comparison shows."""

    title: str
    contest: Contest
    at_random: Sequence[Shown]
    disputed: Sequence[Shown]
    class_names: Sequence[str]
    command: str
    version: str


@dataclass(frozen=True)
class Row:
    """A detector in the tables; numbers count from 1, the most accurate first."""

    number: int
    contender: Contender
    estimate: Estimate
    on_front: bool
    place: int  # in the order given

    @property
    def alone(self) -> Speed:
        """Of one image at a time."""
        return self.contender.speeds[0]

    @property
    def together(self) -> Speed | None:
        """Of several images at once."""
        return self.contender.speeds[-1] if len(self.contender.speeds) > 1 else None

    @property
    def shares(self) -> tuple[float, ...]:
        """Of preparing, network and choosing in the time of an image; empty where unknown."""
        phases = (self.alone.preprocess_ms, self.alone.network_ms, self.alone.postprocess_ms)
        known = [phase for phase in phases if phase is not None]
        return tuple(phase / sum(known) for phase in known) if len(known) == len(phases) else ()


def write_comparison(page: ComparisonPage, path: Path) -> Path:
    """Write one HTML file that needs no other and no network; returns its path."""
    with write_atomically(path) as beside:
        beside.write_text(render(page), encoding="utf-8")
    return path


def render(page: ComparisonPage) -> str:
    """Fill in the page; everything from outside is escaped."""
    contest = page.contest
    rows = rows_of(contest)
    filled = environment()
    filled.filters |= {"rounded": rounded, "whole": whole, "chance": chance}
    script = (HERE / "comparison.js").read_text(encoding="utf-8")
    known = [row for row in rows if row.estimate.value is not None]
    return filled.get_template("comparison.html").render(
        page=page,
        contest=contest,
        rows=rows,
        best=known[0] if known else None,
        rivals=rivals(rows, contest.standings.pairs),
        fastest=by_speed(rows)[0],
        as_fast=as_fast(rows),
        pairs=pairs_of(rows, contest.standings.pairs),
        listed=listed(rows, contest.standings.pairs),
        most_listed=MOST_LISTED,
        level=LEVEL,
        widest=widest(contest.standings.pairs),
        span=span(rows),
        batch=next((row.together.batch for row in rows if row.together), None),
        before=before_mb(rows),
        protocol=IN_WORDS[contest.protocol].format(iou_threshold=contest.iou_threshold),
        rules=RULES[contest.protocol].format(iou_threshold=contest.iou_threshold),
        fewest_images=FEWEST_IMAGES,
        plots=plots(rows, y_label="mean average precision"),
        script=Markup(script),
        script_hash=content_hash(script),
    )


def rows_of(contest: Contest) -> list[Row]:
    """The most accurate first; those without a number last, of equals in the order given."""
    order = sorted(
        range(len(contest.contenders)),
        key=lambda place: -(contest.standings.estimates[place].value or -1.0),
    )
    front = contest.front
    return [
        Row(
            number,
            contest.contenders[place],
            contest.standings.estimates[place],
            front[place],
            place,
        )
        for number, place in enumerate(order, start=1)
    ]


def rivals(rows: Sequence[Row], pairs: Sequence[Pair]) -> list[Row]:
    """Those that the images cannot tell from the most accurate."""
    best = rows[0].place
    same = {
        other
        for pair in pairs
        if not pair.differs and best in (pair.first, pair.second)
        for other in (pair.first, pair.second)
    }
    return [row for row in rows[1:] if row.place in same]


def by_speed(rows: Sequence[Row]) -> list[Row]:
    """The fastest first."""
    return sorted(rows, key=lambda row: row.contender.latency_ms)


def as_fast(rows: Sequence[Row]) -> list[Row]:
    """Those that the timings do not tell from the fastest."""
    fastest, *others = by_speed(rows)
    return [row for row in others if not fastest.alone.is_faster(row.alone)]


def pairs_of(rows: Sequence[Row], pairs: Sequence[Pair]) -> Mapping[tuple[int, int], Pair]:
    """By the numbers of the row and the column of a table, the row minus the column."""
    numbers = {row.place: row.number for row in rows}
    both = [*pairs, *map(turned, pairs)]
    return {(numbers[pair.first], numbers[pair.second]): pair for pair in both}


def listed(rows: Sequence[Row], pairs: Sequence[Pair]) -> list[tuple[Row, Row, Pair]]:
    """Every pair once, the more accurate detector first."""
    found = pairs_of(rows, pairs)
    return [
        (one, other, found[one.number, other.number])
        for one in rows
        for other in rows[one.number :]
    ]


def turned(pair: Pair) -> Pair:
    """The second against the first."""
    low, high = (None if end is None else -end for end in (pair.high, pair.low))
    difference = None if pair.difference is None else -pair.difference
    return pair._replace(
        first=pair.second, second=pair.first, difference=difference, low=low, high=high
    )


def widest(pairs: Sequence[Pair]) -> float:
    """How far the intervals reach from 0, to draw them to one scale."""
    ends = [abs(end) for pair in pairs for end in (pair.low, pair.high) if end is not None]
    return max(ends, default=0.0) or 1.0


def span(rows: Sequence[Row]) -> tuple[float, float]:
    """What all intervals lie in, to draw them to one scale."""
    ends = [end for row in rows for end in row.estimate if end is not None]
    return (min(ends), max(ends)) if ends and min(ends) < max(ends) else (0.0, 1.0)


def before_mb(rows: Sequence[Row]) -> float | None:
    """What a program takes without any detector; about the same for all."""
    known = [
        row.contender.memory_before_mb for row in rows if row.contender.memory_before_mb is not None
    ]
    return max(known, default=None)


def plots(rows: Sequence[Row], *, y_label: str) -> list[Plot]:
    """Accuracy against time, large and small, then against what else it costs.

    What is not known of all has no plot.
    """
    estimates = [row.estimate for row in rows]
    names = [row.contender.name for row in rows]
    contenders = [row.contender for row in rows]
    times: list[float | None] = [one.latency_ms for one in contenders]
    macs: list[float | None] = [one.macs / 1e9 for one in contenders]
    parameters: list[float | None] = [one.parameters / 1e6 for one in contenders]
    on_front = [row.on_front for row in rows]

    def plot(
        title: str, unit: str, costs: list[float | None], front: list[bool], *, large: bool = False
    ) -> Plot | None:
        return cost_plot(
            title, unit, costs, estimates, names, on_front=front, y_label=y_label, large=large
        )

    values = [estimate.value for estimate in estimates]
    memory = [one.memory_mb for one in contenders]
    candidates = [
        plot(SPEED, "milliseconds an image", times, on_front, large=True),
        plot(SPEED, "milliseconds an image", times, on_front),
        plot("Multiply-adds", "billions an image", macs, pareto_front(macs, values)),
        plot("Parameters", "millions", parameters, pareto_front(parameters, values)),
        plot("Memory", "megabytes", memory, front_of(values, clearly_less(memory))),
    ]
    return [one for one in candidates if one is not None]


def clearly_less(costs: Sequence[float | None]) -> Callable[[int, int], bool]:
    """Whether one place costs less than another, by more than such a measurement varies."""

    def is_cheaper(one: int, other: int) -> bool:
        own, others = costs[one], costs[other]
        return own is not None and others is not None and own < (1 - SAME_MEMORY) * others

    return is_cheaper


def rounded(value: float | None) -> str:
    """At least three digits that count: 0.0123, 1.23, 12.3, 12,345; a dash where undefined."""
    if value is None:
        return "\N{EN DASH}"
    if value >= 100:
        return f"{value:,.0f}"
    if value < 1:
        return f"{value:#.3g}"
    return f"{value:.2f}" if value < 10 else f"{value:.1f}"


def whole(value: float | None) -> str:
    """Without digits after the point, with commas; a dash where undefined."""
    return "\N{EN DASH}" if value is None else f"{value:,.0f}"


def chance(value: float | None) -> str:
    """A p-value; very small ones as a bound."""
    if value is None:
        return "\N{EN DASH}"
    return "< 0.001" if value < 0.001 else f"{value:.3f}"
