"""Options of a training: durations, time budgets, and the command that repeats it."""

from __future__ import annotations

import pytest

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


def test_a_budget_that_has_started_keeps_its_start():
    budget = TimeBudget(60.0, start=5.0)
    assert TimeBudget.of(budget) is budget
    assert TimeBudget.of(None) is None
    assert (budget.aim, budget.end) == (62.0, 65.0)


def test_options_write_the_command_that_repeats_a_training():
    options = TrainingOptions(
        ["cells", "more"], run="runs/cells", overrides={"training.epochs": 3}, resume=True
    )
    assert options.to_command("train", "ssdlite320-lite0") == (
        "singleshot train ssdlite320-lite0 --data cells --data more --run runs/cells "
        "--set=training.epochs=3 --resume"
    )
