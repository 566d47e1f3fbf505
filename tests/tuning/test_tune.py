"""Searches with a fake training."""
# Tests singleshot/tuning/store.py, singleshot/tuning/report.py

from __future__ import annotations

import json

import pytest
from cells import make_cells
from searches import RATE, Messages, fake_train, score_of

import singleshot
from singleshot.backports import tomllib
from singleshot.errors import DataError, ModelError, RunFailed
from singleshot.recipes.load import load_recipe
from singleshot.tuning import tune as tuning

pytest.importorskip("optuna", reason="needs Optuna: pip install 'singleshot[tune]'")

RATES = (f"{RATE}=0.0001..0.1:log",)


@pytest.fixture(scope="module")
def cells(tmp_path_factory):
    return make_cells(tmp_path_factory.mktemp("data") / "cells")


@pytest.fixture(autouse=True)
def no_time(monkeypatch):
    """Replace training."""
    monkeypatch.setattr(tuning, "train", fake_train())


def search(cells, run, trials, **more):
    more = {"search": RATES, **more}
    return singleshot.tune("ssdlite320-lite0", cells, trials=trials, run=run, **more)


def test_a_search_finds_the_best_learning_rate(cells, tmp_path):
    result = search(cells, tmp_path / "run", 14, prune_after=14)
    assert result.complete
    assert result.best.score > 0.95  # the recipe as it is: 1 - 0.2 log10(2) = 0.94
    assert 0.0056 < result.best.values[RATE] < 0.0178
    assert result.importances == {RATE: 1.0}


def test_the_first_trial_is_the_unchanged_recipe(cells, tmp_path):
    result = search(cells, tmp_path / "run", 2)
    rate = load_recipe("ssdlite320-lite0").training.learning_rate
    assert result.trials[0].values == {RATE: rate}
    assert result.trials[0].is_start
    assert result.trials[0].score == pytest.approx(score_of(rate))
    assert not result.trials[1].is_start


def test_the_best_values_are_a_recipe_that_loads(cells, tmp_path):
    result = search(cells, tmp_path / "run", 4, overrides=["training.epochs=3"])
    recipe = load_recipe(result.recipe)
    assert recipe.training.learning_rate == result.best.values[RATE]
    assert recipe.training.epochs == 3
    opening = result.recipe.read_text().splitlines()[:3]
    assert f"trial {result.best.number} of 4" in opening[0]
    assert "--set=training.epochs=40" in opening[1]
    assert f"AP {result.best.score:.3f}" in opening[2]
    assert tomllib.loads(result.recipe.read_text())["preset"] == "modern"


def test_the_trials_are_written_as_json(cells, tmp_path):
    result = search(cells, tmp_path / "run", 3)
    stopped = json.loads((tmp_path / "run/trials.json").read_text())
    assert stopped["best"] == result.best.number
    assert [one["outcome"] for one in stopped["trials"]] == ["finished"] * 3
    rate = load_recipe("ssdlite320-lite0").training.learning_rate
    assert stopped["trials"][0]["validations"][-1] == [2, pytest.approx(score_of(rate))]
    assert stopped["importances"] is None


def test_the_same_command_resumes_up_to_the_number_of_trials(cells, tmp_path):
    whole = search(cells, tmp_path / "whole", 4)
    first = search(cells, tmp_path / "run", 2)
    both = search(cells, tmp_path / "run", 4)
    assert len(both.trials) == 4
    assert both.trials[:2] == first.trials
    # The same values are tried as without the interruption.
    assert [one.values for one in both.trials] == [one.values for one in whole.trials]
    assert search(cells, tmp_path / "run", 4).trials == both.trials


def test_another_search_cannot_resume_this_one(cells, tmp_path):
    search(cells, tmp_path / "run", 1)
    with pytest.raises(ModelError, match="with another --search"):
        search(cells, tmp_path / "run", 1, search=[f"{RATE}=0.001..0.1:log"])
    with pytest.raises(ModelError, match="with another recipe and --seed"):
        search(cells, tmp_path / "run", 1, seed=1, overrides={"training.epochs": 2})


def test_a_trial_worse_than_the_others_is_pruned(cells, tmp_path):
    messages = Messages()
    result = search(cells, tmp_path / "run", 8, prune_after=2, callback=messages)
    pruned = [one for one in result.trials if one.outcome == "pruned"]
    assert pruned
    assert all(len(one.validations) == 1 for one in pruned)
    assert max(one.score for one in pruned) < result.best.score
    assert sum("is pruned" in line for line in messages.lines) == len(pruned)
    assert f"<b>{len(pruned)}</b> of 8 trials" in result.report.read_text()


def test_values_that_diverge_fail_and_the_search_continues(cells, tmp_path):
    result = search(cells, tmp_path / "run", 6, search=[f"{RATE}=0.02,5.0"])
    failed = [one for one in result.trials if one.outcome == "failed"]
    assert {one.values[RATE] for one in failed} == {5.0}
    assert {one.reason for one in failed} == {"step 1: the loss is not finite"}
    assert result.best.values == {RATE: 0.02}
    assert result.complete


@pytest.mark.parametrize(
    "error",
    [DataError("a.jpg: broken"), RunFailed("No space left on device")],
    ids=["data", "disk"],
)
def test_an_error_not_caused_by_the_values_ends_the_search(cells, tmp_path, monkeypatch, error):
    def broken(_):
        raise error

    monkeypatch.setattr(tuning, "train", fake_train(during=broken))
    with pytest.raises(type(error), match=str(error)):
        search(cells, tmp_path / "run", 2)
    monkeypatch.setattr(tuning, "train", fake_train())
    result = search(cells, tmp_path / "run", 2)
    assert [one.outcome for one in result.trials] == ["killed", "finished", "finished"]
    assert result.trials[0].reason == f"{type(error).__name__}: {error}"
    assert result.trials[1].values == result.trials[0].values


def test_a_trial_reads_the_data_as_the_search_does(cells, tmp_path, monkeypatch):
    read, pretend = [], fake_train()

    def train(*args, **options):
        read.append((options["rename_class"], options["on_error"]))
        return pretend(*args, **options)

    monkeypatch.setattr(tuning, "train", train)
    search(cells, tmp_path / "run", 1, rename_class=["WBC=cell"], on_error="skip")
    assert read == [(["WBC=cell"], "skip")]
