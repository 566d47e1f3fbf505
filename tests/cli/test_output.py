# Tests singleshot/report/text.py

from __future__ import annotations

import json

import pytest

from singleshot.cli.output import print_json, printing_json_list
from singleshot.errors import RunFailed
from singleshot.report.text import number, table


def test_the_first_column_is_left_and_numbers_are_right():
    assert table(["class", "AP"], [["RBC", "0.9"], ["Platelets", "0.875"]]) == (
        "class         AP\nRBC          0.9\nPlatelets  0.875"
    )


def test_an_undefined_number_is_a_dash():
    assert (number(None), number(0.12345)) == ("-", "0.123")


def test_values_that_json_does_not_have_are_refused():
    with pytest.raises(ValueError, match="not JSON compliant"):
        print_json({"average_precision": float("nan")})


def test_a_json_list_is_printed_as_its_entries_come(capsys):
    with printing_json_list() as print_entry:
        print_entry({"frame": 0})
        assert capsys.readouterr().out == '[\n  {\n    "frame": 0\n  }'
        print_entry({"frame": 1})
    assert json.loads("[{}" + capsys.readouterr().out) == [{}, {"frame": 1}]
    with printing_json_list():
        pass
    assert json.loads(capsys.readouterr().out) == []


@pytest.mark.parametrize("count", [0, 2])
def test_a_json_list_is_closed_by_an_error_unless_nothing_was_printed(capsys, count):
    def fail() -> None:
        with printing_json_list() as print_entry:
            for number in range(count):
                print_entry(number)
            raise RunFailed("the stream broke")

    with pytest.raises(RunFailed):
        fail()
    printed = capsys.readouterr().out
    assert printed == "" if not count else json.loads(printed) == [0, 1]
