# Tests singleshot/report/text.py

from __future__ import annotations

import pytest

from singleshot.cli.output import print_json
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
