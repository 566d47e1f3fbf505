from __future__ import annotations

import numpy as np
import pytest

from singleshot.report.charts import (
    BOTTOM,
    LEFT,
    RIGHT,
    TOP,
    Dot,
    Series,
    chart,
    round_ratios,
    round_values,
)


def unit_chart(xs, ys, dot=None):
    return chart(
        "cat",
        [Series("precision", np.array(xs, np.float64), np.array(ys, np.float64))],
        x_label="recall",
        y_label="precision",
        x_range=(0.0, 1.0),
        y_range=(0.0, 1.0),
        dot=dot,
    )


def test_the_corners_of_the_data_are_the_corners_of_the_plot():
    ((_, line),) = unit_chart([0, 1], [0, 1]).lines
    assert line == f"{LEFT:.1f},{BOTTOM:.1f} {RIGHT:.1f},{TOP:.1f}"


def test_a_dot_is_scaled_like_the_lines():
    assert unit_chart([], [], Dot(0.0, 1.0, "best")).dot == (LEFT, TOP, "best")


@pytest.mark.parametrize(("count", "shown"), [(0, 0), (1, 1), (300, 300), (100_000, 300)])
def test_long_lines_are_thinned_but_keep_their_ends(count, shown):
    xs = np.linspace(0, 1, count)
    ((_, line),) = unit_chart(xs, xs).lines
    points = line.split()
    assert len(points) == shown
    if count > 1:
        assert points[-1] == f"{RIGHT:.1f},{TOP:.1f}"


@pytest.mark.parametrize(
    ("lowest", "highest", "expected"),
    [
        (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (0, 2700, [0, 1000, 2000]),
        (0, 0.01, [0, 0.002, 0.004, 0.006, 0.008, 0.01]),
        (0, 7, [0, 2, 4, 6]),
        (0, 3, [0, 1, 2, 3]),
    ],
)
def test_axes_have_round_values(lowest, highest, expected):
    assert round_values(float(lowest), float(highest)) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("low", "high", "values"),
    [(0.004, 0.1, [0.005, 0.01, 0.02, 0.05, 0.1]), (1e-6, 1e-1, [1e-6, 1e-4, 1e-2])],
)
def test_ratios_have_round_ticks(low, high, values):
    assert round_ratios(low, high) == pytest.approx(values)
