from __future__ import annotations

import math

import numpy as np
import pytest

from singleshot.evaluation.plots import series, smooth, training_charts
from singleshot.report.charts import Series


def step(number, **values):
    return {"kind": "step", "step": number, "localization": 2.0, "classification": 4.0} | values


def test_charts_of_losses_learning_rate_and_validation():
    log = [
        step(1, learning_rate=0.01),
        step(2, learning_rate=0.02),
        {"kind": "evaluation", "step": 2, "mean_average_precision": 0.5},
    ]
    losses, rate, validation = training_charts(log)
    assert [name for name, _ in losses.lines] == ["localization", "classification"]
    assert rate.title == "Learning rate"
    assert validation.y_ticks[-1].text == "1"


def test_numbers_that_were_not_logged_have_no_chart():
    assert training_charts([]) == []
    assert [one.title for one in training_charts([step(1)])] == ["Losses"]


@pytest.mark.parametrize("value", [None, math.nan, math.inf])
def test_values_that_are_not_finite_are_left_out(value):
    assert series([step(1), step(2, localization=value)], "localization").xs.tolist() == [1]


def test_a_long_loss_is_shown_by_its_means():
    smoothed = smooth(Series("loss", np.arange(1.0, 1201), np.array([1.0, 3.0] * 600)))
    assert len(smoothed.xs) == 120
    assert set(smoothed.ys) == {2.0}
    assert smoothed.xs[0] == pytest.approx(5.5)
