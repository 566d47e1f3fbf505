"""A training in MLflow's embedded store."""

from __future__ import annotations

import threading
import time
import warnings

import pytest
from callbacks import Recorder
from cells import make_cells
from command_line import change_folder

import singleshot
from singleshot.errors import RunFailed, SingleshotError
from singleshot.recipes.load import load_recipe
from singleshot.runs.callbacks import StartRecord
from singleshot.runs.folder import RunFolder
from singleshot.runs.log import read_log
from singleshot.training import mlflow_log

pytest.importorskip("mlflow", reason="needs MLflow: pip install 'singleshot[mlflow]'")

OVERRIDES = {
    "training.epochs": 2,
    "training.batch_size": 3,
    "training.precision": "float32",
    "training.validate_every": 1,
    "model.input": [96, 128],
}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A folder in which a training was tracked, stopped after one step and resumed."""
    home = tmp_path_factory.mktemp("home")
    make_cells(home / "cells")
    with change_folder(home):
        train("run", callback=Recorder(after=1))
        assert runs(home)[0].info.status == "KILLED"
        train("run", resume=True)
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


def test_steps_missing_in_the_store_after_a_crash_are_read_from_the_log(
    home, tmp_path, monkeypatch
):
    # As if it had been killed before anything was sent: the note is there, the metrics are not.
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'other.db'}")
    monkeypatch.chdir(tmp_path)
    tracker = mlflow_log.MlflowLog(RunFolder(home / "run"), on_message=pytest.fail)
    tracker.on_start(
        StartRecord(num_steps=4, num_epochs=2, first_step=3, validated=2, batch_size=3)
    )
    tracker.on_finish()
    history = tracker.client.get_metric_history(tracker.run_id, "learning_rate")
    assert [point.step for point in history] == [1, 2, 3]
    # At the time they were taken, not at that of sending.
    taken = [one["time"] for one in read_log(home / "run/log.jsonl") if one["kind"] == "step"]
    assert [point.timestamp for point in history] == [
        round(1000 * seconds) for seconds in taken[:3]
    ]


class Store:
    """Stands in for MLflow's client, and answers when it likes."""

    def __init__(self):
        self.known, self.answers, self.error, self.num_calls = [], threading.Event(), None, 0

    def log_batch(self, _, metrics):
        self.num_calls += 1
        self.answers.wait(10)
        if self.error is not None:
            raise self.error
        self.known += [point.step for point in metrics if point.key == "learning_rate"]


@pytest.fixture
def tracked(tmp_path, monkeypatch):
    """A log of no run, at a store whose clock the test turns."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://mlflow.example.org")
    monkeypatch.setattr(mlflow_log, "_client", lambda _: Store())
    messages = []
    log = mlflow_log.MlflowLog(RunFolder(tmp_path / "run"), messages.append)
    log.run_id, log.known = "run", {"learning_rate": 0}
    log.now, log.messages = 0.0, messages
    monkeypatch.setattr(mlflow_log.time, "monotonic", lambda: log.now)
    return log


def settle(log):
    """Wait for what is under way, and let the log look at it."""
    log.under_way.join(10)
    log.add([])


def step(number):
    return {"step": number, "learning_rate": 0.1}


def test_an_unresponsive_store_does_not_delay_training_and_gets_everything_later(tracked):
    start = time.perf_counter()
    for number in range(1, 501):
        tracked.add([step(number)])
    assert time.perf_counter() - start < 1
    assert tracked.client.num_calls == 1
    tracked.client.answers.set()
    tracked.on_finish()
    assert tracked.client.known == [*range(1, 501)]
    assert tracked.messages == []


def test_a_store_that_is_away_is_tried_again_after_ever_longer_pauses(tracked):
    from mlflow.exceptions import MlflowException

    tracked.client.answers.set()
    tracked.client.error = MlflowException("away")
    tried = []
    for second in range(200):
        tracked.now = float(second)
        before = tracked.client.num_calls
        # However many there are: time alone decides.
        tracked.add(step(50 * second + number) for number in range(1, 51))
        if tracked.under_way:
            settle(tracked)
        if tracked.client.num_calls > before:
            tried.append(second)
    assert tried == [0, 10, 30, 70, 150]
    assert all("cannot be written to: away; tried again in" in words for words in tracked.messages)
    tracked.client.error, tracked.now = None, 1000.0
    tracked.on_finish()
    assert tracked.client.known == [*range(1, 10_001)]


def test_the_end_of_a_training_does_not_wait_for_a_store_that_is_away(tracked, monkeypatch):
    monkeypatch.setattr(mlflow_log, "SECONDS_TO_END", 0.01)
    tracked.add([step(1), step(2)])
    tracked.add([step(3)])
    tracked.on_finish()
    assert tracked.messages == [f"MLflow ({tracked.uri}) lacks the last 3 records"]
    tracked.client.answers.set()


class Breaks(Recorder):
    """A callback that ends the training, with an error or an interrupt."""

    def __init__(self, error):
        super().__init__()
        self.error = error

    def on_step(self, step):  # noqa: ARG002
        raise self.error


@pytest.mark.parametrize(
    ("error", "status"), [(RunFailed("it fails"), "FAILED"), (KeyboardInterrupt(), "KILLED")]
)
def test_how_a_training_ended_is_marked(home, monkeypatch, error, status):
    monkeypatch.chdir(home)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", status)
    with pytest.raises(type(error)):
        train(status, callback=Breaks(error))
    experiment = client(home).get_experiment_by_name(status)
    (run,) = client(home).search_runs([experiment.experiment_id])
    assert run.info.status == status


def test_a_store_that_cannot_be_reached_is_refused_before_anything_is_trained(home, monkeypatch):
    monkeypatch.chdir(home)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "nonsense://somewhere")
    with pytest.raises(
        SingleshotError, match="set another MLFLOW_TRACKING_URI, or leave --track out"
    ):
        train("elsewhere")
    assert not (home / "elsewhere").exists()


def test_the_validation_before_training_is_recorded(home, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_cells(tmp_path / "cells")
    run = train("tuned", init=home / "run")
    (recorded,) = runs(tmp_path)
    curve = "validation/mean_average_precision"
    history = client(tmp_path).get_metric_history(recorded.info.run_id, curve)
    log = [one for one in read_log(tmp_path / "tuned/log.jsonl") if one["kind"] == "evaluation"]
    assert not run.interrupted
    assert [point.step for point in history] == [one["step"] for one in log]
    assert log[0]["step"] == 0
