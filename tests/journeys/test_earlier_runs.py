"""Runs and checkpoints of an earlier version load, evaluate to the same numbers and resume.

`earlier/` was made at 2a423cf: a finished run on `cells`, the same run interrupted after 62 of its
450 steps, what `evaluate` printed and detected, and the losses of the 20 steps that followed.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from cells import make_cells
from command_line import singleshot

from singleshot.recipes.load import load_run_recipe
from singleshot.recipes.toml import to_toml

EARLIER = Path(__file__).parent / "earlier"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder to work in, with the data set and copies of the runs."""
    make_cells(tmp_path / "cells")
    for run in ("finished", "interrupted"):
        shutil.copytree(EARLIER / run, tmp_path / run)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("model", ["finished", "finished/checkpoints/best.safetensors"])
def test_an_earlier_run_evaluates_to_the_same_numbers(folder, model):
    outcome = singleshot(
        *("evaluate", model, "cells", "--split", "train", "--protocol", "coco", "--json"),
        *("--save-predictions", "detections.json"),
    )
    assert outcome.exit_code == 0, outcome.stderr
    expected = json.loads((EARLIER / "evaluation.json").read_text())
    now = json.loads(outcome.stdout)
    assert now["mean_average_precision"] == pytest.approx(0.79822, abs=1e-3)
    assert now["coco"] == pytest.approx(expected["coco"], abs=1e-3)
    assert now["per_class"].keys() == expected["per_class"].keys()
    best = [one for one in read_detections(folder / "detections.json") if one["score"] >= 0.3]
    before = read_detections(EARLIER / "detections.json")
    assert len(best) == len(before) == 16
    for one, other in zip(best, before, strict=True):
        assert (one["image_id"], one["category_name"]) == (
            other["image_id"],
            other["category_name"],
        )
        assert one["score"] == pytest.approx(other["score"], abs=1e-4)
        assert one["bbox"] == pytest.approx(other["bbox"], abs=1e-2)


@pytest.mark.usefixtures("folder")
def test_an_earlier_interrupted_run_resumes_where_it_was():
    # The recipe as a user would write it now; the run keeps the one it was begun with.
    now = load_run_recipe(Path("interrupted/recipe.toml"))
    Path("recipe.toml").write_text(to_toml(now))
    outcome = singleshot(
        *("train", "recipe.toml", "--data", "cells", "--run", "interrupted", "--resume")
    )
    assert outcome.exit_code == 0, outcome.stderr
    log = [json.loads(line) for line in Path("interrupted/log.jsonl").read_text().splitlines()]
    steps = {line["step"]: line for line in log if line["kind"] == "step"}
    assert sorted(steps) == list(range(1, 451))
    for expected in json.loads((EARLIER / "next_steps.json").read_text()):
        step = steps[expected["step"]]
        assert step["localization"] == pytest.approx(expected["localization"], rel=1e-3)
        assert step["classification"] == pytest.approx(expected["classification"], rel=1e-3)


def test_a_run_of_the_first_versions_evaluates_to_the_same_number(shared):
    """The numbers that this run had when it was made: AP50 0.891."""
    run = shared / "cases/model"
    data = shared / "cases/base/shapes"
    if not run.is_dir():
        pytest.skip(f"needs {run}")
    outcome = singleshot("evaluate", str(run), str(data), "--protocol", "coco", "--json")
    assert outcome.exit_code == 0, outcome.stderr
    assert json.loads(outcome.stdout)["coco"]["AP50"] == pytest.approx(0.891, abs=5e-4)


def read_detections(path: Path) -> list[dict]:
    return sorted(json.loads(path.read_text()), key=lambda one: (one["image_id"], -one["score"]))
