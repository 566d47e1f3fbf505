"""Errors in the middle of a training: saved steps stay, and the message has the remedy."""

from __future__ import annotations

import errno
import math
import multiprocessing
import os
import signal
from pathlib import Path

import pytest
import torch
from callbacks import Recorder
from cells import make_cells
from killing import OVERRIDES, differences, log_without_timings

import singleshot
from singleshot import files
from singleshot.detectors.ssd import network
from singleshot.errors import NonFiniteLoss, RunFailed
from singleshot.runs.folder import RunFolder
from singleshot.runs.progress import load_progress
from singleshot.runs.splits import RunSplits
from singleshot.training import validation as validating

SHORT = {**OVERRIDES, "training.epochs": 4, "training.workers": 0, "training.cache": 0.0}


@pytest.fixture(scope="module")
def cells(tmp_path_factory):
    return make_cells(tmp_path_factory.mktemp("data") / "cells")


def train(cells, run, **more):
    overrides = {**SHORT, **more.pop("overrides", {})}
    return singleshot.train("ssdlite320-lite0", cells, run=run, overrides=overrides, **more)


@pytest.fixture(scope="module")
def whole(cells, tmp_path_factory):
    """A training that nothing happened to."""
    return train(cells, tmp_path_factory.mktemp("runs") / "whole").folder


def require_resumes(cells, run, whole, **more):
    """Nothing was lost, but what comes after `state`."""
    train(cells, run, resume=True, **more)
    assert [r["step"] for r in log_without_timings(run) if r["kind"] == "step"] == [*range(1, 9)]
    assert differences(run, whole) == []


def steps_saved(run):
    return load_progress(RunFolder(run).state).step


def test_a_full_disk_leaves_the_last_good_state(cells, whole, tmp_path, monkeypatch):
    run = tmp_path / "run"

    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    fill = Recorder(6, lambda: monkeypatch.setattr(files, "flush_to_disk", full))
    with pytest.raises(
        RunFailed, match=r"No space left on device.* free some space, then --resume"
    ) as told:
        train(cells, run, callback=fill)
    assert told.value.exit_code == 1
    monkeypatch.undo()
    assert steps_saved(run) == 4
    require_resumes(cells, run, whole)


def test_an_image_that_breaks_after_the_check_loses_no_step(cells, whole, tmp_path):
    run, image = tmp_path / "run", cells / "JPEGImages/train_1.jpg"
    good = image.read_bytes()
    try:
        with pytest.raises(RunFailed, match=r"train_1\.jpg.*--resume continues") as told:
            train(cells, run, callback=Recorder(5, lambda: image.write_bytes(good[:500])))
    finally:
        image.write_bytes(good)
    assert told.value.exit_code == 1
    assert steps_saved(run) >= 5
    require_resumes(cells, run, whole)


def test_a_folder_that_vanishes_loses_no_step(cells, whole, tmp_path):
    run, folder = tmp_path / "run", cells / "JPEGImages"
    away = cells / "away"
    try:
        with pytest.raises(RunFailed, match=r"JPEGImages.*--resume continues") as told:
            train(cells, run, callback=Recorder(5, lambda: folder.rename(away)))
    finally:
        away.rename(folder)
    assert told.value.exit_code == 1
    assert steps_saved(run) == 5
    require_resumes(cells, run, whole)


def test_a_gpu_without_memory_names_the_batch_that_fits(cells, tmp_path, monkeypatch):
    run, losses = tmp_path / "run", network.Ssd.losses

    def limited(self, batch, prepared=None):
        if len(batch) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return losses(self, batch, prepared)

    monkeypatch.setattr(network.Ssd, "losses", limited)
    with pytest.raises(RunFailed) as failure:
        train(cells, run, overrides={"training.batch_size": 5})
    assert "out of memory on cpu with 5 images at once; 2 fit: begin" in str(failure.value)
    assert "training.batch_size=2, or with --set training.accumulate=3" in str(failure.value)
    assert (failure.value.exit_code, steps_saved(run)) == (1, 0)


def test_too_little_memory_for_a_measurement_has_the_remedy(cells, tmp_path, monkeypatch):
    def never(*_):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    monkeypatch.setattr(network.Ssd, "losses", never)
    with pytest.raises(RunFailed, match=r"too little memory for a step \(CUDA out of memory"):
        train(cells, tmp_path / "run", profile=True)


@pytest.fixture
def kill_the_worker():
    """Kills the process that prepares images, and no other that this test run has started."""
    others = set(multiprocessing.active_children())

    def kill():
        (worker,) = set(multiprocessing.active_children()) - others
        worker.kill()
        worker.join()

    return kill


def test_a_killed_worker_loses_no_step(cells, whole, tmp_path, kill_the_worker):
    run = tmp_path / "run"
    words = r"a process that prepares images died .*--set training\.workers=0, with --resume"
    # Two batches are prepared ahead, so that at least four of eight are missing.
    with pytest.raises(RunFailed, match=words) as told:
        train(cells, run, overrides={"training.workers": 1}, callback=Recorder(2, kill_the_worker))
    assert told.value.exit_code == 1
    assert steps_saved(run) >= 2
    # How images get there may be changed, as the message has it.
    require_resumes(cells, run, whole)


def test_a_worker_that_dies_after_its_last_batch_is_not_missed(
    cells, whole, tmp_path, kill_the_worker
):
    overrides = {"training.workers": 1}
    run = train(cells, tmp_path / "run", overrides=overrides, callback=Recorder(8, kill_the_worker))
    assert not run.interrupted
    assert differences(run.folder, whole) == []


def test_a_nan_loss_names_the_images(cells, whole, tmp_path, monkeypatch):
    run, real, calls = tmp_path / "run", network.multibox_loss, []

    def explode(*words, **settings):
        calls.append(1)
        losses = real(*words, **settings)
        factor = math.nan if len(calls) == 6 else 1
        return losses._replace(sums={name: term * factor for name, term in losses.sums.items()})

    monkeypatch.setattr(network, "multibox_loss", explode)
    words = r"step 6: the loss is not finite .*train_\d\.jpg.*--resume continues"
    with pytest.raises(NonFiniteLoss, match=words) as told:
        train(cells, run)
    monkeypatch.undo()
    assert told.value.exit_code == 1
    assert steps_saved(run) == 4
    require_resumes(cells, run, whole)


def test_out_of_memory_names_the_setting_to_lower(cells, whole, tmp_path, monkeypatch):
    run, real, calls = tmp_path / "run", network.multibox_loss, []

    def exhaust(*words, **settings):
        calls.append(1)
        if len(calls) == 6:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return real(*words, **settings)

    monkeypatch.setattr(network, "multibox_loss", exhaust)
    words = r"out of memory .* 3 images at once; 2 fit: .*training\.batch_size=2"
    with pytest.raises(RunFailed, match=words) as told:
        train(cells, run)
    monkeypatch.undo()
    assert told.value.exit_code == 1
    require_resumes(cells, run, whole)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_log_that_cannot_be_written_is_an_error(cells, tmp_path, monkeypatch):
    real = Path.open

    def open_full(path, *arguments, **settings):
        path = Path("/dev/full") if path.name == "log.jsonl" and "a" in arguments else path
        return real(path, *arguments, **settings)

    monkeypatch.setattr(Path, "open", open_full)
    with pytest.raises(RunFailed, match="the log is not written: No space left on device"):
        train(cells, tmp_path / "run")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_in_the_middle_of_a_validation_records_nothing(
    cells, whole, tmp_path, monkeypatch, number
):
    run, real = tmp_path / "run", validating.detect_all

    def half_way(*words, **settings):
        if not stopped:
            stopped.append(1)
            os.kill(os.getpid(), number)
            pytest.fail("the signal came too late")
        return real(*words, **settings)

    stopped = []
    monkeypatch.setattr(validating, "detect_all", half_way)
    result = train(cells, run, overrides={"training.workers": 2})
    assert (result.interrupted, result.stopped_by) == (True, number)
    assert [r["kind"] for r in log_without_timings(run)] == ["step"] * 4
    require_resumes(cells, run, whole)


def test_fewer_images_are_validated_on_and_a_resumed_run_takes_the_same(cells, tmp_path):
    callback = Recorder()
    few = {"training.validation_images": 1}
    whole = train(cells, tmp_path / "whole", overrides=few, callback=callback)
    assert any(line.startswith("validating on 1 of ") for line in callback.messages)
    # All that were set aside are known, to be evaluated on.
    splits = RunSplits.load(RunFolder(whole.folder).splits)
    assert len(splits.validation.images) > 1
    stopped = train(cells, tmp_path / "run", overrides=few, callback=Recorder(after=2))
    assert stopped.interrupted
    resumed = train(cells, tmp_path / "run", overrides=few, resume=True)
    assert resumed.mean_average_precision == whole.mean_average_precision
    assert RunSplits.load(RunFolder(resumed.folder).splits) == splits


def test_an_end_by_patience_is_final_and_reported(cells, tmp_path):
    callback = Recorder()
    patient = {"training.patience": 1, "training.learning_rate": 1e-9, "training.epochs": 12}
    run = train(cells, tmp_path / "run", overrides=patient, callback=callback)
    assert (run.steps, run.interrupted) == (8, False)  # of 24: validations after steps 4 and 8
    assert "Ends early: no better validation in the last 1 (training.patience)" in callback.messages
    validations = [r for r in log_without_timings(run.folder) if r["kind"] == "evaluation"]
    assert [(r["since_best"], r["ends_early"]) for r in validations] == [(0, False), (1, True)]
    assert load_progress(RunFolder(run.folder).state).finished
