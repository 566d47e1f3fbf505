"""The page of a comparison, and `comparison.json` beside it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from singleshot.comparison.published import PublishedTradeOff
from singleshot.comparison.ranking import SIGNIFICANCE, PairwiseDifference
from singleshot.comparison.result import ComparedDetector, ComparisonResult
from singleshot.comparison.side_by_side import SharedImage
from singleshot.evaluation.page import IN_WORDS
from singleshot.files import write_atomically
from singleshot.metrics import Protocol
from singleshot.metrics.intervals import FEWEST_IMAGES, AccuracyEstimate
from singleshot.metrics.pareto import pareto_front, pareto_front_by_cost
from singleshot.metrics.speed import Speed
from singleshot.report.cost_plots import CostPlot, Grouping, cost_plot
from singleshot.report.page import content_hash, environment, sorting_script

__all__ = [
    "FOLDER",
    "ComparisonPage",
    "ComparisonRow",
    "clearly_less",
    "format_p_value",
    "write_comparison",
]

FOLDER = Path(__file__).parent
MOST_OPEN = 10  # pairs; a longer table is folded
SAME_MEMORY = 0.05  # relative difference that repeated measurements of one detector may show
MOST_NAMED = 3  # detectors in a title
SPEED = "Accuracy and speed"
RULES = {
    Protocol.VOC07: "PASCAL VOC 2007, IoU {iou_threshold:g}",
    Protocol.VOC10: "PASCAL VOC 2010, IoU {iou_threshold:g}",
    Protocol.COCO: "COCO, IoU 0.50 to 0.95",
}


@dataclass(frozen=True)
class ComparisonPage:
    """Content of a comparison page."""

    result: ComparisonResult
    at_random: Sequence[SharedImage]
    disputed: Sequence[SharedImage]
    class_names: Sequence[str]
    command: str
    version: str

    @property
    def title(self) -> str:
        """The names of a few detectors, the number of many."""
        names = [one.name for one in self.result.detectors]
        return " · ".join(names) if len(names) <= MOST_NAMED else f"{len(names)} detectors"


@dataclass(frozen=True)
class ComparisonRow:
    """A detector in the tables; numbers count from 1, the most accurate first."""

    number: int
    detector: ComparedDetector
    estimate: AccuracyEstimate
    on_front: bool
    index: int  # in the order given

    @property
    def single(self) -> Speed:
        """Speed with one image at a time."""
        return self.detector.speeds[0]

    @property
    def batched(self) -> Speed | None:
        """Speed with several images at once."""
        return self.detector.speeds[-1] if len(self.detector.speeds) > 1 else None

    @property
    def shares(self) -> tuple[float, ...]:
        """Shares of the three phases in the time of an image; empty where unknown."""
        phases = (self.single.preprocess_ms, self.single.network_ms, self.single.postprocess_ms)
        known = [phase for phase in phases if phase is not None]
        return tuple(phase / sum(known) for phase in known) if len(known) == len(phases) else ()


def write_comparison(page: ComparisonPage, path: Path) -> Path:
    """Write one HTML file that needs no other and no network, and `comparison.json` beside it."""
    with write_atomically(path) as partial:
        partial.write_text(_render(page), encoding="utf-8")
    with write_atomically(path.with_name("comparison.json")) as partial:
        document = page.result.to_json()
        partial.write_text(json.dumps(document, indent=2, allow_nan=False) + "\n")
    return path


def _render(page: ComparisonPage) -> str:
    """Fill in the template; everything from outside is escaped."""
    result, pairs = page.result, page.result.ranking.pairs
    rows = _rows(result)
    filled = environment(FOLDER)
    filled.filters["p_value"] = format_p_value
    script = sorting_script() + (FOLDER / "comparison.js").read_text(encoding="utf-8")
    known = [row for row in rows if row.estimate.value is not None]
    return filled.get_template("comparison.html").render(
        page=page,
        result=result,
        rows=rows,
        best=known[0] if known else None,
        rivals=_rivals(rows, pairs),
        fastest=_by_speed(rows)[0],
        as_fast=_as_fast(rows),
        pairs=_pairs_by_number(rows, pairs),
        listed=_list_pairs(rows, pairs),
        most_open=MOST_OPEN,
        level=SIGNIFICANCE,
        widest=_widest(pairs),
        span=_span(rows),
        batch=next((row.batched.batch for row in rows if row.batched), None),
        before=_memory_before(rows),
        protocol=IN_WORDS[result.protocol].format(iou_threshold=result.iou_threshold),
        rules=RULES[result.protocol].format(iou_threshold=result.iou_threshold),
        fewest_images=FEWEST_IMAGES,
        without_interval=any(row.estimate.low is None for row in rows),
        plots=_plots(rows, y_label="mean average precision"),
        grid=_by_framework_and_backbone(rows),
        published_plots=_published_plots(result.published_trade_offs),
        script=Markup(script),
        script_hash=content_hash(script),
    )


def _rows(result: ComparisonResult) -> list[ComparisonRow]:
    """Sort detectors by accuracy, those without a number last, equals in the order given."""
    estimates, front = result.ranking.estimates, result.front
    order = sorted(range(len(estimates)), key=lambda index: -(estimates[index].value or -1.0))
    return [
        ComparisonRow(number, result.detectors[index], estimates[index], front[index], index)
        for number, index in enumerate(order, start=1)
    ]


def _rivals(
    rows: Sequence[ComparisonRow], pairs: Sequence[PairwiseDifference]
) -> list[ComparisonRow]:
    """Return the detectors that do not differ significantly from the most accurate."""
    best = rows[0].index
    same = {
        other
        for pair in pairs
        if not pair.differs and best in (pair.first, pair.second)
        for other in (pair.first, pair.second)
    }
    return [row for row in rows[1:] if row.index in same]


def _by_speed(rows: Sequence[ComparisonRow]) -> list[ComparisonRow]:
    """Sort detectors by latency."""
    return sorted(rows, key=lambda row: row.detector.latency_ms)


def _as_fast(rows: Sequence[ComparisonRow]) -> list[ComparisonRow]:
    """Return the detectors that were not slower than the fastest in every round."""
    fastest, *others = _by_speed(rows)
    return [row for row in others if not fastest.single.is_faster(row.single)]


def _pairs_by_number(
    rows: Sequence[ComparisonRow], pairs: Sequence[PairwiseDifference]
) -> Mapping[tuple[int, int], PairwiseDifference]:
    """Map the numbers of a table's row and column to the difference, row minus column."""
    numbers = {row.index: row.number for row in rows}
    both = [*pairs, *map(_reverse, pairs)]
    return {(numbers[pair.first], numbers[pair.second]): pair for pair in both}


def _list_pairs(
    rows: Sequence[ComparisonRow], pairs: Sequence[PairwiseDifference]
) -> list[tuple[ComparisonRow, ComparisonRow, PairwiseDifference]]:
    """List every pair once, the more accurate detector first."""
    by_number = _pairs_by_number(rows, pairs)
    return [
        (one, other, by_number[one.number, other.number])
        for one in rows
        for other in rows[one.number :]
    ]


def _reverse(pair: PairwiseDifference) -> PairwiseDifference:
    """Subtract the first from the second instead."""
    low, high = (None if end is None else -end for end in (pair.high, pair.low))
    difference = None if pair.difference is None else -pair.difference
    return pair._replace(
        first=pair.second, second=pair.first, difference=difference, low=low, high=high
    )


def _widest(pairs: Sequence[PairwiseDifference]) -> float:
    """Return the largest distance of an interval's end from 0, the scale of their drawings."""
    ends = [abs(end) for pair in pairs for end in (pair.low, pair.high) if end is not None]
    return max(ends, default=0.0) or 1.0


def _span(rows: Sequence[ComparisonRow]) -> tuple[float, float]:
    """Return the range of all intervals of accuracy, the scale of their drawings."""
    ends = [end for row in rows for end in row.estimate if end is not None]
    return (min(ends), max(ends)) if ends and min(ends) < max(ends) else (0.0, 1.0)


def _memory_before(rows: Sequence[ComparisonRow]) -> float | None:
    """Return the memory of a process without a detector, which is about the same for all."""
    known = [row.detector.memory_before_mb for row in rows]
    return max((one for one in known if one is not None), default=None)


def _plots(rows: Sequence[ComparisonRow], *, y_label: str) -> list[CostPlot]:
    """Plot accuracy against latency, large and small, then against the other costs.

    A cost that is unknown of one detector has no plot.
    """
    estimates = [row.estimate for row in rows]
    names = [row.detector.name for row in rows]
    detectors = [row.detector for row in rows]
    times: list[float | None] = [one.latency_ms for one in detectors]
    macs: list[float | None] = [one.macs / 1e9 for one in detectors]
    parameters: list[float | None] = [one.parameters / 1e6 for one in detectors]
    on_front = [row.on_front for row in rows]
    grouping = Grouping(
        tuple(one.kind for one in detectors), tuple(one.backbone for one in detectors)
    )

    def plot(
        title: str, unit: str, costs: list[float | None], front: list[bool], *, large: bool = False
    ) -> CostPlot | None:
        return cost_plot(
            title,
            unit,
            costs,
            estimates,
            names,
            on_front=front,
            y_label=y_label,
            grouping=grouping,
            large=large,
        )

    values = [estimate.value for estimate in estimates]
    memory = [one.memory_mb for one in detectors]
    candidates = [
        plot(SPEED, "milliseconds per image", times, on_front, large=True),
        plot(SPEED, "milliseconds per image", times, on_front),
        plot("Multiply-adds", "billions per image", macs, pareto_front_by_cost(macs, values)),
        plot("Parameters", "millions", parameters, pareto_front_by_cost(parameters, values)),
        plot("Memory", "megabytes", memory, pareto_front(values, clearly_less(memory))),
    ]
    return [one for one in candidates if one is not None]


def _by_framework_and_backbone(
    rows: Sequence[ComparisonRow],
) -> tuple[list[str], list[tuple[str, list[list[ComparisonRow]]]]]:
    """List the backbones, and for each framework the detectors with each of them."""
    backbones = list(dict.fromkeys(row.detector.backbone for row in rows))
    frameworks = dict.fromkeys(row.detector.kind for row in rows)
    return backbones, [
        (
            framework,
            [
                [
                    row
                    for row in rows
                    if (row.detector.kind, row.detector.backbone) == (framework, backbone)
                ]
                for backbone in backbones
            ],
        )
        for framework in frameworks
    ]


def _published_plots(trade_offs: Sequence[PublishedTradeOff]) -> list[CostPlot]:
    """Plot the published accuracies whose speed is published too, large and small."""
    timed = [one for one in trade_offs if one.milliseconds is not None]
    costs = [one.milliseconds for one in timed]
    values = [one.average_precision / 100 for one in timed]
    plots = [
        cost_plot(
            "Published speed and accuracy",
            "milliseconds per image, Titan X",
            costs,
            [AccuracyEstimate(value, None, None) for value in values],
            [f"{one.framework}, {one.extractor}" for one in timed],
            on_front=pareto_front_by_cost(costs, values),
            y_label="COCO AP",
            grouping=Grouping(
                tuple(one.framework for one in timed), tuple(one.extractor for one in timed)
            ),
            large=large,
        )
        for large in (True, False)
        if timed
    ]
    return [one for one in plots if one is not None]


def clearly_less(costs: Sequence[float | None]) -> Callable[[int, int], bool]:
    """Compare costs, ignoring differences within the variation of the measurement."""

    def is_cheaper(one: int, other: int) -> bool:
        own, others = costs[one], costs[other]
        return own is not None and others is not None and own < (1 - SAME_MEMORY) * others

    return is_cheaper


def format_p_value(value: float | None) -> str:
    """Write a p-value, very small ones as a bound; a dash for None."""
    if value is None:
        return "\N{EN DASH}"
    return "< 0.001" if value < 0.001 else f"{value:.3f}"
