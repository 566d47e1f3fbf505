"""Searches in several processes, interrupted, or refused."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest
from cells import make_cells
from searches import RATE, Messages, fake_train

import singleshot
from singleshot.errors import RecipeError, SingleshotError
from singleshot.training.interrupt import Interrupted
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


def in_background(cells, run, kill_at=0):
    """Start another process with the same command."""
    code = "import sys, searches; searches.search_in_background(*sys.argv[1:3], int(sys.argv[3]))"
    return subprocess.Popen([sys.executable, "-c", code, run, cells, str(kill_at)], cwd="tests")


def test_a_killed_trial_is_replaced_by_one_with_its_values(cells, tmp_path):
    # In the second epoch of the second trial.
    assert in_background(cells, tmp_path / "run", kill_at=4).wait(60) == -9
    result = search(cells, tmp_path / "run", 4)
    outcomes = [one.outcome for one in result.trials]
    assert outcomes == ["finished", "killed", *["finished"] * 3]
    killed, instead = result.trials[1:3]
    assert [epoch for epoch, _ in killed.validations] == [1]
    assert instead.values == killed.values
    assert instead.replaces == 1


def test_two_processes_share_the_trials(cells, tmp_path, monkeypatch):
    monkeypatch.setattr(tuning, "train", fake_train(seconds=8.0))
    messages = Messages()
    other = in_background(cells, tmp_path / "run")
    result = search(cells, tmp_path / "run", 4, callback=messages)
    assert other.wait(60) == 0
    assert result.complete
    assert [one.outcome for one in result.trials] == ["finished"] * 4
    ours = sum(line.startswith("trial ") for line in messages.lines)
    assert 0 < ours < 4
    assert len({one.values[RATE] for one in result.trials}) == 4


def test_no_trial_starts_when_the_time_is_over(cells, tmp_path, monkeypatch):
    monkeypatch.setattr(tuning, "train", fake_train(seconds=0.4))
    result = search(cells, tmp_path / "run", 50, timeout=0.2)
    assert len(result.trials) == 1
    assert not result.complete


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_explains_how_to_resume(cells, tmp_path, monkeypatch, number):
    def stop(_):
        os.kill(os.getpid(), number)

    monkeypatch.setattr(tuning, "train", fake_train(during=stop))
    with pytest.raises(
        Interrupted, match=r"the same command with --run .*run to resume"
    ) as stopped:
        search(cells, tmp_path / "run", 2)
    assert stopped.value.signal == number
    monkeypatch.setattr(tuning, "train", fake_train())
    result = search(cells, tmp_path / "run", 2)
    assert [one.outcome for one in result.trials] == ["killed", "finished", "finished"]


@pytest.mark.parametrize(
    ("keep", "left"), [("log", []), ("checkpoint", ["best.safetensors"])], ids=["log", "checkpoint"]
)
def test_keep_decides_which_files_of_a_trial_stay(cells, tmp_path, keep, left):
    search(cells, tmp_path / "run", 1, keep=keep)
    files = [path.name for path in (tmp_path / "run/trials/000").rglob("*") if path.is_file()]
    assert files == left


def test_test_images_are_refused_and_validation_images_are_needed(cells, tmp_path):
    with pytest.raises(SingleshotError, match="test images are for one evaluation"):
        search(cells, tmp_path / "run", 1, val_split="val+test")
    with pytest.raises(SingleshotError, match="has to evaluate its trials"):
        search(cells, tmp_path / "run", 1, val_split="none")
    with pytest.raises(SingleshotError, match="evaluated on different images"):
        search(cells, tmp_path / "run", 1, split="train+val+test", search=["training.seed=0,1"])
    with pytest.raises(SingleshotError, match="there is no such CUDA device"):
        search(cells, tmp_path / "run", 1, device="cuda:99")
    assert not (tmp_path / "run").exists()


def test_seeds_alone_show_the_noise(cells, tmp_path, monkeypatch):
    scores = iter([0.50, 0.54])
    trained = fake_train()

    def noisy(*words, callback, **more):
        from dataclasses import replace

        score = next(scores)
        return replace(trained(*words, callback=callback, **more), mean_average_precision=score)

    monkeypatch.setattr(tuning, "train", noisy)
    result = search(cells, tmp_path / "run", 2, search=["training.seed=0,1"], seed=2)
    # √((0.02² + 0.02²) / 1) = 0.028
    assert "standard deviation of <b>0.028</b>" in result.report.read_text()


def test_without_optuna_the_message_names_the_extra(cells, tmp_path, monkeypatch):
    monkeypatch.setattr(tuning, "find_spec", lambda _: None)
    with pytest.raises(SingleshotError, match=r"pip install 'singleshot\[tune\]'") as raised:
        search(cells, tmp_path / "run", 1)
    assert raised.value.exit_code == 2


def test_a_misspelt_key_is_found_before_anything_is_trained(cells, tmp_path):
    with pytest.raises(RecipeError, match=r"did you mean 'training.learning_rate'\?"):
        search(cells, tmp_path / "run", 1, search=["training.learning_rte=0.1..0.2"])
    assert not (tmp_path / "run").exists()
