"""Searches: who works on what, what is found, and what is left."""

from __future__ import annotations

import json
import tomllib

import pytest
from cells import make_cells
from searches import RATE, Said, pretend, worth

import singleshot
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
    """Trainings take none."""
    monkeypatch.setattr(tuning, "train", pretend())


def search(cells, run, trials, **more):
    more = {"search": RATES, **more}
    return singleshot.tune("ssdlite320-lite0", cells, trials=trials, run=run, **more)


def test_it_finds_the_learning_rate_that_is_known_to_be_best(cells, tmp_path):
    found = search(cells, tmp_path / "run", 14, prune_after=14)
    assert found.complete
    assert found.best.score > 0.95  # the recipe as it is: 1 - 0.2 log10(2) = 0.94
    assert 0.0056 < found.best.values[RATE] < 0.0178
    assert found.importances == {RATE: 1.0}


def test_the_first_trial_is_the_recipe_as_it_is(cells, tmp_path):
    found = search(cells, tmp_path / "run", 2)
    assert found.trials[0].values == {RATE: 0.02}
    assert found.trials[0].is_start
    assert found.trials[0].score == pytest.approx(worth(0.02))
    assert not found.trials[1].is_start


def test_what_was_found_is_a_recipe_that_loads(cells, tmp_path):
    found = search(cells, tmp_path / "run", 4, overrides=["training.epochs=3"])
    recipe = load_recipe(found.recipe)
    assert recipe.training.learning_rate == found.best.values[RATE]
    assert recipe.training.epochs == 3
    opening = found.recipe.read_text().splitlines()[:3]
    assert f"trial {found.best.number} of 4" in opening[0]
    assert "--set=training.epochs=40" in opening[1]
    assert f"AP {found.best.score:.3f}" in opening[2]
    assert tomllib.loads(found.recipe.read_text())["preset"] == "modern"


def test_the_trials_are_there_for_programs(cells, tmp_path):
    found = search(cells, tmp_path / "run", 3)
    told = json.loads((tmp_path / "run/trials.json").read_text())
    assert told["best"] == found.best.number
    assert [one["outcome"] for one in told["trials"]] == ["finished"] * 3
    assert told["trials"][0]["validations"][-1] == [2, pytest.approx(worth(0.02))]
    assert told["importances"] is None


def test_the_same_command_goes_on_to_as_many_trials_in_all(cells, tmp_path):
    whole = search(cells, tmp_path / "whole", 4)
    first = search(cells, tmp_path / "run", 2)
    both = search(cells, tmp_path / "run", 4)
    assert len(both.trials) == 4
    assert both.trials[:2] == first.trials
    # The same is tried as if it had never been stopped.
    assert [one.values for one in both.trials] == [one.values for one in whole.trials]
    assert search(cells, tmp_path / "run", 4).trials == both.trials


def test_another_search_does_not_go_on_with_this_one(cells, tmp_path):
    search(cells, tmp_path / "run", 1)
    with pytest.raises(ModelError, match="with another --search"):
        search(cells, tmp_path / "run", 1, search=[f"{RATE}=0.001..0.1:log"])
    with pytest.raises(ModelError, match="with another recipe and --seed"):
        search(cells, tmp_path / "run", 1, seed=1, overrides={"training.epochs": 2})


def test_a_trial_that_others_left_behind_is_pruned(cells, tmp_path):
    said = Said()
    found = search(cells, tmp_path / "run", 8, prune_after=2, callback=said)
    pruned = [one for one in found.trials if one.outcome == "pruned"]
    assert pruned
    assert all(len(one.validations) == 1 for one in pruned)
    assert max(one.score for one in pruned) < found.best.score
    assert sum("is pruned" in words for words in said.words) == len(pruned)
    assert f"<b>{len(pruned)}</b> of 8 trials" in found.report.read_text()


def test_values_that_diverge_are_worth_nothing_and_the_search_goes_on(cells, tmp_path):
    found = search(cells, tmp_path / "run", 6, search=[f"{RATE}=0.02,5.0"])
    failed = [one for one in found.trials if one.outcome == "failed"]
    assert {one.values[RATE] for one in failed} == {5.0}
    assert {one.reason for one in failed} == {"step 1: the loss is not finite"}
    assert found.best.values == {RATE: 0.02}
    assert found.complete


@pytest.mark.parametrize(
    "error",
    [DataError("a.jpg: broken"), RunFailed("No space left on device")],
    ids=["data", "disk"],
)
def test_what_is_no_fault_of_the_values_ends_the_search(cells, tmp_path, monkeypatch, error):
    def broken(_):
        raise error

    monkeypatch.setattr(tuning, "train", pretend(during=broken))
    with pytest.raises(type(error), match=str(error)):
        search(cells, tmp_path / "run", 2)
    monkeypatch.setattr(tuning, "train", pretend())
    found = search(cells, tmp_path / "run", 2)
    assert [one.outcome for one in found.trials] == ["killed", "finished", "finished"]
    assert found.trials[0].reason == f"{type(error).__name__}: {error}"
    assert found.trials[1].values == found.trials[0].values
