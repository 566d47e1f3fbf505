"""Results as lines that are there at once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from singleshot.errors import StorageError
from singleshot.prediction.json_lines import open_json_lines


def test_each_line_is_in_the_file_when_it_is_written(tmp_path):
    path = tmp_path / "new" / "a.jsonl"
    with open_json_lines(path) as lines:
        for number in range(3):
            lines.write({"frame": number})
            assert json.loads(path.read_text().splitlines()[-1]) == {"frame": number}
    assert len(path.read_text().splitlines()) == 3


def test_without_a_path_nothing_is_written():
    with open_json_lines(None) as lines:
        lines.write({"frame": 1})


def test_what_cannot_be_written_is_named(tmp_path):
    with pytest.raises(StorageError, match="not written"), open_json_lines(tmp_path):
        pass
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")
    with (
        pytest.raises(StorageError, match="/dev/full: not written any further: No space left"),
        open_json_lines("/dev/full") as lines,
    ):
        lines.write({})
