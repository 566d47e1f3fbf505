import pytest
import typer

from singleshot.cli.duration import seconds_in


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("20m", 1200), ("1.5h", 5400), ("1h30m", 5400), ("1h0m30s", 3630), ("2M", 120)],
)
def test_a_time_is_written_with_its_units(text, seconds):
    assert seconds_in(text) == seconds


@pytest.mark.parametrize("text", ["", "20", "m", "0s", "30m1h", "1d", "-5m"])
def test_what_is_no_time_is_refused_with_examples(text):
    with pytest.raises(typer.BadParameter, match="write 90s, 20m"):
        seconds_in(text)
