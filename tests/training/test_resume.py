"""Two trainings never write into one folder."""

from __future__ import annotations

import errno

import pytest
from callbacks import Recorder
from cells import make_cells
from filelock import FileLock

import singleshot
from singleshot.errors import ModelError
from singleshot.runs.folder import RunFolder
from singleshot.training import resume
from singleshot.training import train as training

fcntl = pytest.importorskip("fcntl", reason="needs the locks of POSIX systems")

OVERRIDES = {"training.epochs": 1, "training.batch_size": 3, "model.input": [96, 128]}


@pytest.fixture(scope="module")
def cells(tmp_path_factory):
    return make_cells(tmp_path_factory.mktemp("data") / "cells")


def train(cells, run, **more):
    options = {"overrides": OVERRIDES, "val_split": "none", **more}
    return singleshot.train("ssdlite320-lite0", cells, run=run, **options)


@pytest.fixture
def held(tmp_path, monkeypatch):
    """The lock of a run folder, as another training holds it."""
    monkeypatch.setattr(resume, "SECONDS_FOR_LOCK", 0.1)
    state = RunFolder(tmp_path / "run").state.parent
    state.mkdir(parents=True)
    with FileLock(state / "lock") as lock:
        yield lock


def test_a_folder_in_which_another_process_trains_is_left_alone(cells, tmp_path, held):
    with pytest.raises(ModelError, match=r"run: another process trains in this folder; wait"):
        train(cells, tmp_path / "run")
    assert [path.name for path in (tmp_path / "run").rglob("*") if path.is_file()] == ["lock"]
    held.release()
    assert not train(cells, tmp_path / "run").interrupted


def test_a_run_is_not_resumed_while_it_is_trained(cells, tmp_path, held):
    held.release()
    overrides = {**OVERRIDES, "training.epochs": 2}
    assert train(
        cells, tmp_path / "run", overrides=overrides, callback=Recorder(after=1)
    ).interrupted
    log = (tmp_path / "run/log.jsonl").read_bytes()
    with held, pytest.raises(ModelError, match="another process trains in this folder"):
        train(cells, tmp_path / "run", overrides=overrides, resume=True)
    assert (tmp_path / "run/log.jsonl").read_bytes() == log
    assert not train(cells, tmp_path / "run", overrides=overrides, resume=True).interrupted


def test_a_run_that_another_training_began_meanwhile_is_not_written_over(
    cells, tmp_path, monkeypatch
):
    plan = training.resolve_plan

    def begin_another_run(*args):
        monkeypatch.setattr(training, "resolve_plan", plan)
        train(cells, tmp_path / "run")
        return plan(*args)

    monkeypatch.setattr(training, "resolve_plan", begin_another_run)
    with pytest.raises(ModelError, match="already holds a finished run; choose another --run"):
        train(cells, tmp_path / "run")


def test_storage_without_locks_is_reported_and_trained_on(cells, tmp_path, monkeypatch):
    def flock(*_):
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", flock)
    recorder = Recorder()
    train(cells, tmp_path / "run", callback=recorder)
    [message] = [line for line in recorder.messages if "locked" in line]
    assert message.startswith(f"{tmp_path / 'run'} cannot be locked (")
    assert message.endswith("): start no other training there")
