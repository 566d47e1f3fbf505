"""Options of a training: durations, time budgets, and the command that repeats it."""

from __future__ import annotations

import pytest

from singleshot.errors import SingleshotError
from singleshot.options import options_of
from singleshot.training.options import (
    TimeBudget,
    TrainingOptions,
    format_duration,
    parse_duration,
)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("20m", 1200), ("1.5h", 5400), ("1h30m", 5400), ("1h0m30s", 3630), ("2M", 120)],
)
def test_a_time_is_written_with_its_units(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "20", "m", "0s", "30m1h", "1d", "-5m"])
def test_an_invalid_duration_is_refused_with_examples(text):
    with pytest.raises(ValueError, match="write 90s, 20m"):
        parse_duration(text)


def test_durations_are_formatted_for_reading():
    assert [format_duration(seconds) for seconds in (4.21, 59, 61, 3723)] == [
        "4.2 s",
        "59.0 s",
        "0:01:01",
        "1:02:03",
    ]


@pytest.mark.parametrize(
    ("budget", "message"),
    [
        ("20m", "time_budget: '20m': expected a number of seconds"),
        (-5, "time_budget: -5 is out of bounds"),
        (0, "time_budget: 0 is out of bounds"),
    ],
)
def test_an_impossible_budget_is_refused_at_once(budget, message):
    option = next(one for one in options_of(TrainingOptions) if one.name == "time_budget")
    with pytest.raises(SingleshotError, match=message):
        option.check(budget)


@pytest.mark.parametrize("seconds", [2e6, 0.015625, 5400, 5400.0, 0.1, 1234567.125])
def test_the_command_has_the_time_budget_as_it_is_parsed(seconds):
    for budget in (seconds, TimeBudget(seconds, start=5.0)):
        options = TrainingOptions("cells", time_budget=budget)
        *_, flag, text = options.to_command("train", "r").split()
        assert (flag, parse_duration(text)) == ("--time-budget", seconds)


def test_a_budget_that_has_started_keeps_its_start():
    budget = TimeBudget(60.0, start=5.0)
    assert TimeBudget.of(budget) is budget
    assert TimeBudget.of(None) is None
    assert (budget.aim, budget.end) == (62.0, 65.0)


def test_short_options_stand_for_keys_and_set_goes_before_them():
    options = TrainingOptions(
        "cells", epochs=5, batch_size=8, input="96x128", overrides=["training.epochs=3"]
    )
    assert options.all_overrides == {
        "training.epochs": 3,
        "training.batch_size": 8,
        "model.input": [96, 128],
    }
    assert options.to_command("train", "r") == (
        "singleshot train r --data cells --epochs 5 --batch-size 8 --input 96x128 "
        "--set training.epochs=3"
    )


@pytest.mark.parametrize("size", ["300", "300x", "axb", "[300, 300]"])
def test_an_input_that_is_no_height_and_width_is_refused(size):
    with pytest.raises(SingleshotError, match="expected height x width in pixels, such as 320x320"):
        TrainingOptions("cells", input=size)


def test_options_write_the_command_that_repeats_a_training():
    options = TrainingOptions(
        ["cells", "more"], run="runs/cells", overrides={"training.epochs": 3}, resume=True
    )
    assert options.to_command("train", "ssdlite320-lite0") == (
        "singleshot train ssdlite320-lite0 --data cells --data more --run runs/cells "
        "--set=training.epochs=3 --resume"
    )


def test_true_is_no_number():
    with pytest.raises(SingleshotError, match="epochs: True: expected a whole number"):
        TrainingOptions("cells", epochs=True)


def test_an_input_is_text_or_height_and_width():
    for size in ("320x256", (320, 256)):
        options = TrainingOptions("cells", input=size)
        assert options.all_overrides == {"model.input": [320, 256]}
        assert options.to_command("train", "r") == "singleshot train r --data cells --input 320x256"
    with pytest.raises(SingleshotError, match=r"\(320,\): expected \(height, width\) in pixels"):
        TrainingOptions("cells", input=(320,))
