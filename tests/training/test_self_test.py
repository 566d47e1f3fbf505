"""The test before a run passes what can learn, fails what cannot, and leaves the run as it was."""

import shutil

import pytest
import torch
from callbacks import Recorder
from cells import make_cells

import singleshot
from singleshot.checkpoints.checkpoint import Checkpoint
from singleshot.data.opening import open_dataset
from singleshot.errors import RunFailed, SingleshotError
from singleshot.families import build_detector
from singleshot.training import self_test
from singleshot.training.self_test import require_equal_after_loading, require_truth_scores_one

OVERRIDES = {"training.epochs": 1, "training.batch_size": 3, "model.input": [96, 128]}


@pytest.fixture(scope="module")
def cells(tmp_path_factory):
    return make_cells(tmp_path_factory.mktemp("data") / "cells")


def train(cells, run, *, overrides=(), **more):
    overrides = {**OVERRIDES, **dict(overrides)}
    return singleshot.train("ssdlite320-lite0", cells, run=run, overrides=overrides, **more)


def test_a_good_recipe_passes_and_the_run_is_bit_for_bit_the_same(cells, tmp_path):
    recorder = Recorder()
    tested = train(cells, tmp_path / "tested", self_test=True, callback=recorder)
    plain = train(cells, tmp_path / "plain")
    assert any("3 images overfitted, loss " in line for line in recorder.messages)
    assert any(line.startswith("self-test passed") for line in recorder.messages)
    ours, theirs = (
        Checkpoint.load(run.folder / "checkpoints/last.safetensors") for run in (tested, plain)
    )
    assert all(torch.equal(ours.weights[key], theirs.weights[key]) for key in theirs.weights)


def test_a_learning_rate_of_almost_nothing_fails_and_no_run_begins(cells, tmp_path, monkeypatch):
    monkeypatch.setattr(self_test, "STEPS", 12)
    with pytest.raises(RunFailed, match="could not be overfitted") as error:
        train(cells, tmp_path / "run", overrides={"training.learning_rate": 1e-12}, self_test=True)
    message = str(error.value)
    assert error.value.exit_code == 1
    for part in ("training.learning_rate = 1e-12", "sizes of the objects (", "train_0.jpg"):
        assert part in message
    assert not (tmp_path / "run" / "recipe.toml").exists()


def test_a_model_that_is_all_but_frozen_fails(cells, tmp_path, monkeypatch):
    monkeypatch.setattr(self_test, "STEPS", 12)
    frozen = {"training.frozen": ["backbone", "heads", "top_down"]}
    with pytest.raises(RunFailed, match=r"'backbone', 'heads', 'top_down'"):
        train(cells, tmp_path / "run", overrides=frozen, self_test=True)


def test_a_learning_rate_that_explodes_fails(cells, tmp_path):
    wild = {"training.learning_rate": 1e6, "training.clip_gradient": 0.0}
    with pytest.raises(RunFailed, match=r"self-test: .*training\.learning_rate = 1e\+06"):
        train(cells, tmp_path / "run", overrides=wild, self_test=True)


def test_the_annotations_score_one(cells):
    require_truth_scores_one(open_dataset(cells, "val"))


def test_a_box_without_area_is_found(cells):
    dataset = open_dataset(cells, "val")
    dataset.truths.boxes[0, 2] = dataset.truths.boxes[0, 0]
    with pytest.raises(RunFailed, match=r"taken as predictions, score .* instead of 1"):
        require_truth_scores_one(dataset)


def test_a_checkpoint_that_loads_changed_is_found(cells, tmp_path, monkeypatch):
    found = {}

    def remember(training, batch):
        found.update(training=training, batch=batch)
        require_equal_after_loading(training, batch)

    monkeypatch.setattr("singleshot.training.self_test.require_equal_after_loading", remember)
    train(cells, tmp_path / "run", self_test=True)
    training = found["training"]
    other = build_detector(training.recipe.model, training.model.class_names, pretrained=False)
    monkeypatch.setattr(self_test, "detector_from", lambda *_, **__: other)
    with pytest.raises(RunFailed, match="saved and loaded detects other boxes"):
        require_equal_after_loading(training, found["batch"])


def test_a_self_test_comes_before_the_run_only(cells, tmp_path, monkeypatch):
    monkeypatch.setattr("singleshot.runs.callbacks.CallbackList.on_step", stop)
    run = train(cells, tmp_path / "run")
    assert run.interrupted
    with pytest.raises(SingleshotError, match="leave it out together with --resume"):
        train(cells, tmp_path / "run", resume=True, self_test=True)


def stop(_self, _step):
    """Ask for the end, as Ctrl-C would."""
    import os
    import signal

    os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize(("batch_size", "accumulate"), [(2, 1), (6, 3)])
def test_one_image_with_objects_is_repeated_for_batch_norm(
    cells, tmp_path, monkeypatch, batch_size, accumulate
):
    def refuse(_, batch, __):
        raise RunFailed(f"{len(batch)} images of {len(set(batch.names))}")

    monkeypatch.setattr(self_test, "overfit_batch", refuse)
    data = shutil.copytree(cells, tmp_path / "data")
    (data / "ImageSets/Main/train.txt").write_text("train_0\ntrain_5\n")  # one has no cell
    parts = {"training.batch_size": batch_size, "training.accumulate": accumulate}
    with pytest.raises(RunFailed, match=f"^{2 * accumulate} images of 1"):
        train(data, tmp_path / "run", overrides=parts, self_test=True)
