"""Models timed on the command line."""

# Tests singleshot/cli/benchmark.py

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_line import help_examples, singleshot

DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.mark.usefixtures("cells_run")
def test_a_run_is_timed_and_evaluated(home):
    first, _ = help_examples("benchmark")
    more = ("--threads", "1", "--timings", "6", "--rounds", "2", "--report", "timed")
    done = singleshot(*first[1:], *more, "--json")
    assert done.exit_code == 0, done.stderr
    (row,) = json.loads(done.stdout)
    assert (row["model"], row["runtime"], row["threads"]) == ("runs/cells", "pytorch", 1)
    assert row["num_timings"] == 6
    assert row["average_precision"] is not None
    assert row["size_mb"] > 1
    assert "Report: timed/report.html" in done.stderr
    page = (DOCS / "reference/files-and-json.md").read_text()
    block = page.partition("## `benchmark --json`")[2].partition("```json")[2].partition("```")[0]
    (documented,) = json.loads(block)
    assert list(row) == list(documented)
    assert list(row["machine"]) == list(documented["machine"])
    assert json.loads((home / "timed/benchmark.json").read_text()) == [row]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("runs/absent",), "there is no such run folder"),
        (("localizer", "--threads", "two"), "threads: 'two': expected whole numbers"),
        (("localizer", "--size", "640"), "width x height"),
        (("localizer", "--data", "absent"), "absent"),
    ],
)
def test_what_is_impossible_is_refused(words, message):
    done = singleshot("benchmark", *words)
    assert done.exit_code == 2
    assert message in done.stderr
