"""Runs with a time budget."""

import time

import pytest
import torch
from callbacks import Recorder
from cells import make_cells

import singleshot
from singleshot.checkpoints.checkpoint import Checkpoint
from singleshot.errors import SingleshotError
from singleshot.recipes.load import load_recipe
from singleshot.runs.log import read_log
from singleshot.runs.progress import load_progress
from singleshot.training import plan as preparing

SMALL = {"model.input": [96, 128], "training.batch_size": 3}
BUDGET = 30.0


@pytest.fixture(scope="module")
def cells(tmp_path_factory):
    return make_cells(tmp_path_factory.mktemp("data") / "cells")


def train(cells, run, **more):
    return singleshot.train("ssdlite320-lite0", cells, run=run, overrides=SMALL, **more)


def test_a_run_keeps_to_its_time_and_reports_it(cells, tmp_path):
    recorder, start = Recorder(), time.monotonic()
    run = train(cells, tmp_path / "run", time_budget=BUDGET, callback=recorder)
    took = time.monotonic() - start
    assert 0.5 * BUDGET < took < BUDGET
    assert any(line.startswith("a time budget of 30.0 s gives ") for line in recorder.messages)
    assert recorder.messages[-1].startswith(
        "planned to take 28.5 s of a time budget of 30.0 s, took "
    )
    settings = load_recipe(run.folder / "recipe.toml").training
    assert settings.epochs is None
    assert settings.steps is not None
    # The last step ends the schedule and is validated, whatever was planned anew on the way.
    records = read_log(run.folder / "log.jsonl")
    assert records[-1]["kind"] == "evaluation"
    assert (
        records[-1]["step"]
        == run.steps
        == load_progress(run.folder / "training_state/state.safetensors").num_steps
    )


def test_a_fitted_run_can_be_repeated_and_resumed_exactly(cells, tmp_path, monkeypatch):
    # As if the machine kept its speed: nothing is planned anew.
    monkeypatch.setattr("singleshot.training.time_budget.MARKS", (2.0,))
    monkeypatch.setattr(preparing, "allot", lambda *_args, **_more: fits)
    fits = preparing.Allotment(num_steps=6, validate_every=2, num_validations=2)
    stopped = train(cells, tmp_path / "stopped", time_budget=BUDGET, callback=Recorder(after=3))
    assert stopped.interrupted
    resumed = train(cells, tmp_path / "stopped", resume=True)
    again = singleshot.train(resumed.folder / "recipe.toml", cells, run=tmp_path / "again")
    assert (resumed.steps, again.steps) == (6, 6)
    ours, theirs = (
        Checkpoint.load(run.folder / "checkpoints/last.safetensors") for run in (resumed, again)
    )
    assert all(torch.equal(ours.weights[key], theirs.weights[key]) for key in theirs.weights)


def test_a_run_that_was_planned_anew_is_resumed_with_its_new_length(cells, tmp_path, monkeypatch):
    fits = preparing.Allotment(num_steps=40, validate_every=50, num_validations=1)
    monkeypatch.setattr(preparing, "allot", lambda *_args, **_more: fits)
    monkeypatch.setattr(
        "singleshot.training.time_budget.Pace.better_end",
        lambda _self, progress, **_: 8 if (progress.step, progress.num_steps) == (4, 40) else None,
    )
    recorder = Recorder(after=6)
    assert train(cells, tmp_path / "run", time_budget=BUDGET, callback=recorder).interrupted
    assert any("gets 8 steps instead of 40" in line for line in recorder.messages)
    whole = train(cells, tmp_path / "whole", time_budget=BUDGET)
    resumed = train(cells, tmp_path / "run", resume=True)
    assert (resumed.steps, whole.steps) == (8, 8)
    ours, theirs = (
        Checkpoint.load(run.folder / "checkpoints/last.safetensors") for run in (resumed, whole)
    )
    assert all(torch.equal(ours.weights[key], theirs.weights[key]) for key in theirs.weights)


def test_a_time_too_short_is_refused_before_anything_is_written(cells, tmp_path):
    with pytest.raises(SingleshotError, match=r"a time budget of 0.1 s is too short: .*at least"):
        train(cells, tmp_path / "run", time_budget=0.1)
    assert not (tmp_path / "run").exists()
