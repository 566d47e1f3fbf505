"""Anyone's detections, measured from the command line."""

from __future__ import annotations

import json

import pytest
from command_line import singleshot


def test_cocoapis_own_example_gives_its_published_numbers(shared):
    folder = shared / "metric-cases/cocoapi_fakebbox100"
    done = singleshot(
        "score",
        str(folder / "instances_val2014_fakebbox100_results.json"),
        str(folder / "instances_val2014_100.json"),
        "--json",
    )
    assert done.exit_code == 0, done.stderr
    numbers = json.loads(done.stdout)["coco"]
    published = [0.505, 0.697, 0.573, 0.586, 0.519, 0.501, 0.387, 0.594, 0.595, 0.640, 0.566, 0.564]
    assert list(numbers.values()) == pytest.approx(published, abs=5e-4)


def test_what_evaluate_saved_scores_the_same(cells_run, tmp_path):
    saved = str(tmp_path / "predictions.json")
    evaluated = singleshot("evaluate", cells_run, "cells", "--json", "--save-predictions", saved)
    scored = singleshot("score", saved, "cells", "--json")
    assert scored.exit_code == 0, scored.stderr
    assert json.loads(scored.stdout) == json.loads(evaluated.stdout)
    page = singleshot("score", saved, "cells", "--report", str(tmp_path / "report"))
    assert page.exit_code == 0, page.stderr
    assert (tmp_path / "report/report.html").is_file()
