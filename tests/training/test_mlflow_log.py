"""A training in MLflow's embedded store."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import pytest
from cells import make_cells

import singleshot
from singleshot.errors import SingleshotError
from singleshot.recipes.load import load_recipe
from singleshot.training.log import read_log

pytest.importorskip("mlflow", reason="needs MLflow: pip install 'singleshot[mlflow]'")

OVERRIDES = {
    "training.epochs": 2,
    "training.batch_size": 3,
    "training.precision": "float32",
    "training.validate_every": 1,
    "model.input": [96, 128],
}


class StopAfter:
    """A watcher that asks for the end after the first step, as Ctrl-C would."""

    def started(self, plan): ...

    def stepped(self, step):
        if step.step == 1:
            os.kill(os.getpid(), 2)

    def evaluated(self, record): ...

    def said(self, message): ...

    def finished(self): ...


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A folder in which a training was tracked, stopped after one step and resumed."""
    home = tmp_path_factory.mktemp("home")
    make_cells(home / "cells")
    before = Path.cwd()
    os.chdir(home)
    try:
        train("run", watch=StopAfter())
        assert runs(home)[0].info.status == "KILLED"
        train("run", resume=True)
    finally:
        os.chdir(before)
    return home


def train(run, **more):
    recipe = "ssdlite320-lite0"
    return singleshot.train(recipe, "cells", run=run, overrides=OVERRIDES, track="mlflow", **more)


def client(home):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from mlflow.tracking import MlflowClient

        return MlflowClient(f"sqlite:///{home / 'mlruns/mlflow.db'}")


def runs(home):
    mlflow = client(home)
    experiment = mlflow.get_experiment_by_name("singleshot")
    return mlflow.search_runs([experiment.experiment_id])


def test_a_resumed_run_is_one_run_with_every_step_once(home):
    (run,) = runs(home)
    assert run.info.status == "FINISHED"
    assert run.info.run_name == "run"
    for curve, kind, field in (
        ("loss/localization", "step", "localization"),
        ("learning_rate", "step", "learning_rate"),
        ("validation/mean_average_precision", "evaluation", "mean_average_precision"),
    ):
        history = client(home).get_metric_history(run.info.run_id, curve)
        log = [one for one in read_log(home / "run/log.jsonl") if one["kind"] == kind]
        assert log
        assert [point.step for point in history] == [one["step"] for one in log]
        assert [point.value for point in history] == [one[field] for one in log]


def test_the_resolved_recipe_is_its_parameters(home):
    (run,) = runs(home)
    assert run.data.params["training.epochs"] == "2"
    assert run.data.params["model.input"] == "[96, 128]"
    decay = load_recipe(home / "run/recipe.toml").training.weight_decay
    assert run.data.params["training.weight_decay"] == str(decay)


def test_recipe_page_and_best_weights_are_its_files(home):
    (run,) = runs(home)
    files = {one.path for one in client(home).list_artifacts(run.info.run_id)}
    assert files == {"recipe.toml", "report.html", "best.safetensors"}


def test_what_did_not_reach_the_store_before_a_crash_is_taken_from_the_log(
    home, tmp_path, monkeypatch
):
    from singleshot.training.mlflow_log import MlflowLog
    from singleshot.training.run_folder import RunFolder
    from singleshot.training.watch import Plan

    # As if it had been killed before anything was sent: the note is there, the metrics are not.
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'other.db'}")
    monkeypatch.chdir(tmp_path)
    tracker = MlflowLog(RunFolder(home / "run"), say=pytest.fail)
    tracker.started(Plan(num_steps=4, num_epochs=2, first_step=3, validated=2, batch_size=3))
    tracker.finished()
    history = tracker.client.get_metric_history(tracker.run_id, "learning_rate")
    assert [point.step for point in history] == [1, 2, 3]


def test_a_store_that_cannot_be_reached_is_said_before_anything_is_trained(home, monkeypatch):
    monkeypatch.chdir(home)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "nonsense://somewhere")
    with pytest.raises(SingleshotError, match="mend MLFLOW_TRACKING_URI, or leave --track out"):
        train("elsewhere")
    assert not (home / "elsewhere").exists()
