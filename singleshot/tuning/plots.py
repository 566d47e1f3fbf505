"""Charts of a search: scores in the order of trials, and against each key's values."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Literal

import numpy as np

from singleshot.recipes.toml import toml_value
from singleshot.report.charts import (
    AxisScale,
    Chart,
    Series,
    Tick,
    chart,
    format_tick,
    round_ratios,
    svg_points,
)
from singleshot.tuning.search_space import SearchSpace, ValueRange, Values
from singleshot.tuning.trials import SEED_KEY, Outcome, Trial, best_of

__all__ = [
    "SearchPanel",
    "TrialMark",
    "best_so_far",
    "curves_panel",
    "format_value",
    "key_panels",
    "progress_panel",
]

MARGIN = 0.06  # of the range of scores, above and below
NARROWEST = 0.02  # range of scores: smaller differences are noise
GOLDEN = 0.618  # its multiples are spread evenly modulo 1: marks of one choice lie side by side
JITTER = 0.5  # of the distance between two choices


@dataclass(frozen=True)
class TrialMark:
    """A trial in a chart, in user units."""

    x: float
    y: float
    kind: Outcome | Literal["best"]
    text: str


@dataclass(frozen=True)
class SearchPanel:
    """A chart with a mark or a curve for each trial."""

    chart: Chart
    marks: Sequence[TrialMark]
    curves: Sequence[tuple[str, str]] = ()  # kind, SVG points
    note: str = ""


def progress_panel(trials: Sequence[Trial]) -> SearchPanel | None:
    """Plot the score of each trial, and the best so far; None without finished trials."""
    return _panel(
        "Score of each trial",
        trials,
        x_of=lambda one: float(one.number),
        x_range=(-0.5, max((one.number for one in trials), default=0) + 0.5),
        x_label="trial",
        line=best_so_far(trials),
    )


def best_so_far(trials: Sequence[Trial]) -> Series:
    """Return the highest score up to each trial as a step line."""
    finished = [one for one in trials if one.outcome == "finished" and one.score is not None]
    numbers = np.array([one.number for one in finished], np.float64)
    best = np.array(list(accumulate((one.score or 0.0 for one in finished), max)), np.float64)
    return Series("best so far", np.repeat(numbers, 2)[1:], np.repeat(best, 2)[:-1])


def curves_panel(trials: Sequence[Trial]) -> SearchPanel | None:
    """Plot the validations of each trial over its epochs; None where all have only one."""
    drawn = [one for one in trials if one.outcome in {"finished", "pruned"}]
    longest = max((len(one.validations) for one in drawn), default=0)
    if longest < 2:
        return None
    epochs = [epoch for one in drawn for epoch, _ in one.validations]
    scores = [score for one in drawn for _, score in one.validations]
    x_range, y_range = (0.0, float(max(epochs))), _padded(scores)
    x_scale, y_scale = _scales(x_range, y_range)
    best = best_of(trials)
    curves = [
        (
            "best" if one is best else one.outcome,
            svg_points(Series("", *np.array(one.validations, np.float64).T), x_scale, y_scale),
        )
        for one in sorted(drawn, key=lambda one: one is best)
        if len(one.validations) > 1
    ]
    plain = chart(
        "Validations of each trial",
        [],
        x_label="epoch",
        y_label="average precision",
        x_range=x_range,
        y_range=y_range,
    )
    return SearchPanel(plain, [], curves)


def key_panels(
    trials: Sequence[Trial], space: SearchSpace, importances: Mapping[str, float] | None
) -> list[SearchPanel]:
    """Plot each key's values against the score, the most important key first."""
    order = sorted(space, key=lambda key: -(importances or {}).get(key, 0.0))
    panels = [_key_panel(key, space[key], trials) for key in order if key != SEED_KEY]
    return [
        replace(one, note=f"{importances[one.chart.title]:.0%}") if importances else one
        for one in panels
        if one is not None
    ]


def _key_panel(key: str, values: Values, trials: Sequence[Trial]) -> SearchPanel | None:
    """Plot one key's values against the score."""
    if not isinstance(values, ValueRange):
        return _choice_panel(key, values.choices, trials)
    own = (values.low, values.high)
    if not values.log:
        return _panel(
            key, trials, x_of=lambda one: _number_of(one.values[key]), x_range=own, x_label=""
        )
    low, high = (math.log10(end) for end in own)
    linear = _panel(
        key,
        trials,
        x_of=lambda one: math.log10(_number_of(one.values[key])),
        x_range=(low, high),
        x_label="",
    )
    ticks = [(math.log10(value), format_tick(value)) for value in round_ratios(*own)]
    return linear and _with_ticks(linear, (low, high), ticks)


def _choice_panel(key: str, choices: Sequence[str], trials: Sequence[Trial]) -> SearchPanel | None:
    """Plot choices side by side, in their order."""
    x_range = (-0.5, len(choices) - 0.5)

    def x_of(one: Trial) -> float:
        shift = (one.number * GOLDEN) % 1 - 0.5
        return choices.index(toml_value(one.values[key])) + JITTER * shift

    plain = _panel(key, trials, x_of=x_of, x_range=x_range, x_label="")
    ticks = [(float(index), choice.strip('"')) for index, choice in enumerate(choices)]
    return plain and _with_ticks(plain, x_range, ticks)


def _panel(
    title: str,
    trials: Sequence[Trial],
    *,
    x_of: Callable[[Trial], float],
    x_range: tuple[float, float],
    x_label: str,
    line: Series | None = None,
) -> SearchPanel | None:
    """Plot trials; scores below those of finished trials are drawn on the lower edge."""
    drawn = [one for one in trials if one.outcome in {"finished", "pruned", "failed"}]
    scores = [one.score for one in drawn if one.outcome == "finished" and one.score is not None]
    if not scores:
        return None
    y_range = _padded(scores)
    x_scale, y_scale = _scales(x_range, y_range)
    best = best_of(trials)
    marks = [
        TrialMark(
            x_scale(x_of(one)),
            y_scale(max(one.score, y_range[0])),
            "best" if one is best else one.outcome,
            f"trial {one.number}, {one.outcome}: "
            + (one.reason if one.outcome == "failed" else f"{one.score:.3f}"),
        )
        # The best last: nothing covers it.
        for one in sorted(drawn, key=lambda one: one is best)
        if one.score is not None
    ]
    plain = chart(
        title,
        [] if line is None else [line],
        x_label=x_label,
        y_label="average precision",
        x_range=x_range,
        y_range=y_range,
    )
    return SearchPanel(plain, marks)


def _padded(scores: Sequence[float]) -> tuple[float, float]:
    """Return the range of the scores, padded."""
    low, high = min(scores), max(scores)
    middle = (low + high) / 2
    half = max(high - low, NARROWEST) / 2 * (1 + 2 * MARGIN)
    return max(middle - half, 0.0) if low >= 0 else low, middle + half


def _scales(
    x_range: tuple[float, float], y_range: tuple[float, float]
) -> tuple[AxisScale, AxisScale]:
    """Return the scales of the plot that `chart` makes."""
    return AxisScale(x_range, (Chart.left, Chart.right)), AxisScale(
        y_range, (Chart.bottom, Chart.top)
    )


def _with_ticks(
    panel: SearchPanel, x_range: tuple[float, float], ticks: Sequence[tuple[float, str]]
) -> SearchPanel:
    """Replace the labels of the x axis."""
    x_scale, _ = _scales(x_range, (0.0, 1.0))
    named = tuple(Tick(x_scale(position), text) for position, text in ticks)
    return replace(panel, chart=replace(panel.chart, x_ticks=named))


def _number_of(value: object) -> float:
    """Return a value of a range, which is a number."""
    assert isinstance(value, int | float)
    return float(value)


def format_value(value: object) -> str:
    """Write a value of a recipe with at most four digits."""
    return f"{value:.4g}" if isinstance(value, float) else toml_value(value).strip('"')
