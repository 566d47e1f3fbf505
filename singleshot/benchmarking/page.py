"""The page of a benchmark, and `benchmark.json` beside it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from singleshot.benchmarking.result import BenchmarkResult, BenchmarkRow
from singleshot.files import write_atomically
from singleshot.metrics.intervals import AccuracyEstimate
from singleshot.metrics.pareto import pareto_front_by_cost
from singleshot.report.cost_plots import CostPlot, Grouping, cost_plot
from singleshot.report.page import content_hash, environment, sorting_script

__all__ = ["write_benchmark"]

FOLDER = Path(__file__).parent
MOST_NAMED = 3  # models in a title


@dataclass(frozen=True)
class PageRow:
    """A row of the tables; numbers count from 1, in the order of the plot."""

    number: int
    row: BenchmarkRow
    label: str  # the model, with the settings that differ
    on_front: bool  # of accuracy and latency

    @property
    def phases(self) -> tuple[float, ...]:
        """Milliseconds of the three phases; empty where they are unknown."""
        parts = (self.row.preprocess, self.row.network, self.row.postprocess)
        known = [one.median for one in parts if one is not None]
        return tuple(known) if len(known) == len(parts) else ()


def write_benchmark(result: BenchmarkResult, path: Path, *, command: str, version: str) -> Path:
    """Write one HTML file that needs no other and no network, and `benchmark.json` beside it."""
    with write_atomically(path) as partial:
        partial.write_text(_render(result, command, version), encoding="utf-8")
    with write_atomically(path.with_name("benchmark.json")) as partial:
        partial.write_text(json.dumps(result.to_json(), indent=2, allow_nan=False) + "\n")
    return path


def _render(result: BenchmarkResult, command: str, version: str) -> str:
    """Fill in the template; everything from outside is escaped."""
    rows = _page_rows(result.rows)
    script = sorting_script()
    single = [one for one in rows if one.row.batch == 1 and one.row.streams == 1] or rows
    return (
        environment(FOLDER)
        .get_template("benchmark.html")
        .render(
            result=result,
            title=_title(result.rows),
            rows=rows,
            fastest=min(single, key=lambda one: one.row.total.median),
            busiest=max(rows, key=lambda one: one.row.images_per_second),
            smallest=min(
                (one for one in rows if one.row.size_mb is not None),
                key=lambda one: one.row.size_mb or 0.0,
                default=None,
            ),
            longest=max(one.row.total.median for one in rows),
            most=max(one.row.images_per_second for one in rows),
            plots=_plots(rows),
            command=command,
            version=version,
            script=Markup(script),
            script_hash=content_hash(script),
        )
    )


def _title(rows: Sequence[BenchmarkRow]) -> str:
    """Join the names of a few models, or count many."""
    names = list(dict.fromkeys(row.name for row in rows))
    return " · ".join(names) if len(names) <= MOST_NAMED else f"{len(names)} models"


def _page_rows(rows: Sequence[BenchmarkRow]) -> list[PageRow]:
    """Number the rows: those in the plot first, as there, then small batches, then fast ones."""
    order = sorted(
        rows, key=lambda row: (not _is_plotted(row), row.streams, row.batch, row.total.median)
    )
    several_threads = len({row.threads for row in rows}) > 1
    plotted = [row for row in order if _is_plotted(row)]
    front = pareto_front_by_cost(
        [row.total.median for row in plotted], [row.average_precision for row in plotted]
    )
    best = [row for row, is_best in zip(plotted, front, strict=True) if is_best]
    return [
        PageRow(number, row, _label(row, several_threads), any(row is one for one in best))
        for number, row in enumerate(order, start=1)
    ]


def _label(row: BenchmarkRow, several_threads: bool) -> str:
    """Write the name of a model, and the settings that tell its rows apart."""
    threads = f"{row.threads} thread{'s' if row.threads > 1 else ''}" if several_threads else ""
    batch = f"batch {row.batch}" if row.batch > 1 else ""
    streams = f"{row.streams} streams" if row.streams > 1 else ""
    return ", ".join(filter(None, [row.name, threads, batch, streams]))


def _is_plotted(row: BenchmarkRow) -> bool:
    """Take models with an accuracy, one image at a time in one stream."""
    return row.average_precision is not None and row.batch == row.streams == 1


def _plots(rows: Sequence[PageRow]) -> list[CostPlot]:
    """Plot accuracy against latency, large and small; nothing without accuracies."""
    plotted = [one for one in rows if _is_plotted(one.row)]
    if not plotted:
        return []
    grouping = Grouping(
        tuple(one.row.runtime for one in plotted),
        tuple(one.row.precision or "unknown" for one in plotted),
    )
    plots = [
        cost_plot(
            "Accuracy and latency",
            "milliseconds per image",
            [one.row.total.median for one in plotted],
            [AccuracyEstimate(one.row.average_precision, None, None) for one in plotted],
            [one.label for one in plotted],
            on_front=[one.on_front for one in plotted],
            y_label="mean average precision",
            grouping=grouping,
            large=large,
        )
        for large in (True, False)
    ]
    return [one for one in plots if one is not None]
