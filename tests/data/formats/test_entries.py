"""Values of entries as users and programs write them, and those that are none."""

from __future__ import annotations

import json

import pytest

from singleshot.data.formats.entries import Entry, as_number, as_side, first_json_key, parse_json
from singleshot.errors import DataError


@pytest.mark.parametrize(("value", "number"), [("7", 7), (7.0, 7), (-3, -3), (" 12 ", 12)])
def test_a_whole_number_may_be_text_or_a_float(value, number):
    assert Entry({"id": value}, "a.json: image 1").whole_number("id") == number


@pytest.mark.parametrize("value", [True, 7.5, "7.5", None, [7], 2**63, "9" * 30])
def test_anything_else_is_no_whole_number(value):
    with pytest.raises(DataError, match=r"a\.json: image 1: id = .*; expected a whole number"):
        Entry({"id": value}, "a.json: image 1").whole_number("id")


@pytest.mark.parametrize(
    ("value", "side"), [("40", 40), (40.9, 40), ("wide", 0), (None, 0), (-1, 0), (1e9, 0)]
)
def test_a_side_that_no_image_has_is_unknown(value, side):
    assert as_side(value) == side


@pytest.mark.parametrize("value", ["x", "nan", float("inf"), True, None, 10**400])
def test_a_number_is_finite(value):
    assert as_number(value) is None


@pytest.mark.parametrize("value", ["True", 1, "1", True])
def test_a_flag_may_be_a_word_or_a_number(value):
    assert Entry({"occluded": value}, "place").flag("occluded")
    assert not Entry({"occluded": None}, "place").flag("occluded")
    assert not Entry({}, "place").flag("occluded")


def test_an_error_shows_a_long_value_shortened():
    with pytest.raises(DataError) as raised:
        Entry({"flag": "x" * 1000}, "place").flag("flag")
    assert str(raised.value) == f'place: flag = "{"x" * 59}…; expected 0, 1, true or false'


@pytest.mark.parametrize(
    ("content", "key"),
    [(' {"images": []}', "images"), ("\ufeff[1]", "["), ("{}", None), ("text", None), ("", None)],
)
def test_the_first_key_of_a_file(tmp_path, content, key):
    (tmp_path / "a.json").write_text(content, encoding="utf-8")
    assert first_json_key(tmp_path / "a.json") == key
    assert first_json_key(tmp_path / "missing.json") is None


def test_broken_json_is_named_with_its_line(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps([1, 2], indent=0)[:-2])
    with pytest.raises(DataError, match=r"a\.json, line 3: broken JSON"):
        parse_json(tmp_path / "a.json")
