"""Trainings on a few made-up images: resumed, refused, saved."""

# Tests singleshot/training/loop.py, singleshot/training/build.py, singleshot/training/resume.py
# Tests singleshot/training/interrupt.py, singleshot/runs/folder.py, singleshot/runs/log.py
# Tests singleshot/runs/callbacks.py

import json
import os
import shutil
import signal

import pytest
import torch
from callbacks import Recorder
from cells import make_cells
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import singleshot
from singleshot.checkpoints.checkpoint import Checkpoint
from singleshot.errors import DataError, ModelError, RecipeError
from singleshot.recipes.load import load_recipe
from singleshot.runs.folder import RunFolder
from singleshot.runs.log import read_log
from singleshot.runs.progress import load_progress
from singleshot.training import train as training
from singleshot.training.interrupt import Interrupted

OVERRIDES = {
    "training.epochs": 3,
    "training.batch_size": 3,
    "training.precision": "float32",
    "training.validate_every": 2,
    "model.input": [96, 128],
    "model.backbone.name": "mobilenetv3_small_050",
    "model.backbone.weights": "none",
    "model.backbone.frozen_stride": 0,
}


@pytest.fixture(scope="module")
def cells(tmp_path_factory):
    return make_cells(tmp_path_factory.mktemp("data") / "cells")


def train(cells, run, **more):
    overrides = {**OVERRIDES, **more.pop("overrides", {})}
    return singleshot.train("ssdlite320-lite0", cells, run=run, overrides=overrides, **more)


@pytest.fixture(scope="module")
def whole(cells, tmp_path_factory):
    """A training that was never interrupted."""
    return train(cells, tmp_path_factory.mktemp("runs") / "whole")


def test_a_run_has_all_its_files(whole):
    names = {
        str(path.relative_to(whole.folder)) for path in whole.folder.rglob("*") if path.is_file()
    }
    assert {
        "recipe.toml",
        "log.jsonl",
        "report.html",
        "splits.json",
        "images/augmented_batch.jpg",
        "images/validation.jpg",
        "checkpoints/best.safetensors",
        "checkpoints/last.safetensors",
        "training_state/state.safetensors",
    } <= names
    assert any(name.startswith("tensorboard/") for name in names)
    assert whole.steps == 6
    assert not whole.interrupted


def test_the_log_has_a_line_for_each_step_and_validation(whole):
    records = read_log(whole.folder / "log.jsonl")
    assert [r["step"] for r in records if r["kind"] == "step"] == [1, 2, 3, 4, 5, 6]
    assert [r["epoch"] for r in records if r["kind"] == "evaluation"] == [2, 3]


def test_an_evaluation_on_training_images_warns(cells, whole, tmp_path):
    messages = []
    options = {"report": tmp_path / "report", "on_message": messages.append}
    detector = singleshot.load(whole.checkpoint)
    report = singleshot.evaluate(detector, cells, split="train+test", **options)
    warning = "6 of the 8 images are among those that the detector was trained on"
    assert any(line.startswith(f"warning: {warning}") for line in messages)
    assert report.to_json()["images_trained_on"] == 6
    assert warning in (tmp_path / "report/report.html").read_text()
    unseen = singleshot.evaluate(whole.folder, cells, split="val")
    assert (unseen.warning, "images_trained_on" in unseen.to_json()) == (None, False)


def test_what_a_training_set_aside_is_a_split_of_its_run(cells, tmp_path):
    recorder = Recorder()
    short = {"training.steps": 1}
    run = train(cells, tmp_path / "run", split="train+val", overrides=short, callback=recorder)
    assert any("evaluate RUN DATA --split set-aside" in line for line in recorder.messages)
    assert recorder.messages[-1].startswith("only 1 image has objects that count, too few for")
    aside = singleshot.evaluate(run.folder, cells, split="set-aside")
    assert aside.mean_average_precision == run.mean_average_precision
    assert aside.warning is None


def drawn_in_tensorboard(run):
    board = EventAccumulator(str(run.folder / "tensorboard"))
    board.Reload()
    return board


def test_tensorboard_has_the_recipe_the_classes_and_the_images(whole):
    board = drawn_in_tensorboard(whole)
    tags = board.Tags()
    assert {"validation/AP50", "validation_AP/RBC", "validation_AP/WBC"} <= set(tags["scalars"])
    assert [event.step for event in board.Scalars("validation_AP/RBC")] == [4, 6]
    assert [event.step for event in board.Images("augmented_batch")] == [0]
    assert [event.step for event in board.Images("validation")] == [4, 6]
    (text,) = board.Tensors("recipe/text_summary")
    assert b'    name = "mobilenetv3_small_050"' in text.tensor_proto.string_val[0]


class BestWeights(Recorder):
    """Loads the best weights and the state when a validation is recorded."""

    def __init__(self, run):
        super().__init__()
        self.run, self.found = run, []

    def on_evaluation(self, record):
        best = Checkpoint.load(self.run / "checkpoints/best.safetensors")
        state = load_progress(self.run / "training_state/state.safetensors")
        self.found.append((record.step, best.metrics["validated"], state.validated))


def test_the_best_weights_are_saved_before_the_callback_and_the_state_after(cells, tmp_path):
    best = BestWeights(tmp_path / "run")
    train(cells, tmp_path / "run", overrides={"training.epochs": 2}, callback=best)
    assert best.found == [(4, 4, 0)]


def test_a_checkpoint_describes_itself(whole):
    checkpoint = Checkpoint.load(whole.checkpoint)
    assert checkpoint.class_names == ("RBC", "WBC")
    assert checkpoint.recipe.model.input == (96, 128)
    assert checkpoint.metrics["num_steps"] == 6


def test_a_loaded_detector_finds_the_same_again(whole):
    image = torch.randint(256, (3, 100, 90), dtype=torch.uint8)
    once, again = (
        singleshot.load(path).detect([image])[0] for path in (whole.folder, whole.checkpoint)
    )
    assert torch.equal(once.boxes, again.boxes)


def test_interrupted_and_resumed_is_as_if_never_interrupted(cells, whole, tmp_path):
    stopped = train(cells, tmp_path / "run", callback=Recorder(after=4))
    assert stopped.interrupted
    assert stopped.steps == 4
    resumed = train(cells, tmp_path / "run", resume=True)
    assert not resumed.interrupted
    ours = Checkpoint.load(tmp_path / "run/checkpoints/last.safetensors")
    theirs = Checkpoint.load(whole.folder / "checkpoints/last.safetensors")
    for name, tensor in theirs.weights.items():
        assert torch.equal(ours.weights[name], tensor), name
    steps = [r["step"] for r in read_log(tmp_path / "run/log.jsonl") if r["kind"] == "step"]
    assert steps == [1, 2, 3, 4, 5, 6]
    board = drawn_in_tensorboard(resumed)
    assert [event.step for event in board.Images("augmented_batch")] == [0]
    assert board.Images("validation")[-1].step == 6


def test_a_finished_run_is_neither_overwritten_nor_resumed(cells, whole):
    with pytest.raises(ModelError, match="already holds a finished run"):
        train(cells, whole.folder)
    with pytest.raises(ModelError, match="is finished"):
        train(cells, whole.folder, resume=True)


@pytest.fixture
def without_report(whole, tmp_path):
    """The run as it is when it was killed while its report was drawn."""
    run = shutil.copytree(whole.folder, tmp_path / "run")
    (run / "report.html").unlink()
    return run


def test_a_run_that_lacks_but_its_report_gets_it_by_resuming(cells, whole, without_report):
    with pytest.raises(ModelError, match="holds an interrupted run; continue it with --resume"):
        train(cells, without_report)
    with pytest.raises(ModelError, match="other images, boxes, classes or another split"):
        train(cells, without_report, split="test", resume=True)
    resumed = train(cells, without_report, resume=True)
    assert (resumed.steps, resumed.interrupted) == (6, False)
    assert resumed.mean_average_precision == whole.mean_average_precision
    assert (without_report / "report.html").stat().st_size > 100_000
    page = (without_report / "report.html").read_text()
    assert f"singleshot train ssdlite320-lite0 --data {cells} --run {without_report} --set" in page
    assert "--resume" not in page
    for name in ("log.jsonl", "checkpoints/last.safetensors", "training_state/state.safetensors"):
        assert (without_report / name).read_bytes() == (whole.folder / name).read_bytes()
    with pytest.raises(ModelError, match=r"nothing to resume, and a .* begin another .* --init"):
        train(cells, without_report, resume=True)


def test_the_message_of_an_interrupted_report_has_the_command_to_finish_it(
    cells, without_report, monkeypatch
):
    monkeypatch.setattr(
        training, "report_on_validation", lambda *_: os.kill(os.getpid(), signal.SIGTERM)
    )
    with pytest.raises(
        Interrupted, match=r"after the last step; --run .*run --resume writes"
    ) as interruption:
        train(cells, without_report, resume=True)
    assert interruption.value.signal == signal.SIGTERM


@pytest.mark.parametrize("restarts", [0, 1])
def test_torchrun_that_starts_a_finished_run_again_is_no_error(cells, whole, monkeypatch, restarts):
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "any")
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", str(restarts))
    before = (whole.folder / "report.html").stat().st_mtime_ns
    if restarts:
        again = train(cells, whole.folder)
        assert (again.steps, again.checkpoint) == (6, whole.checkpoint)
    else:
        # Not started again, but for the first time: a wrong folder.
        with pytest.raises(ModelError, match="already holds a finished run"):
            train(cells, whole.folder)
    assert (whole.folder / "report.html").stat().st_mtime_ns == before


def test_resuming_nothing_is_refused(cells, tmp_path):
    with pytest.raises(ModelError, match="holds no run that was begun"):
        train(cells, tmp_path / "nothing", resume=True)


def test_resuming_with_another_recipe_names_the_difference(cells, tmp_path):
    train(cells, tmp_path / "run", callback=Recorder(after=1))
    with pytest.raises(RecipeError, match=r"training\.momentum: 0\.9, 0\.8"):
        train(cells, tmp_path / "run", resume=True, overrides={"training.momentum": 0.8})


def test_a_run_keeps_its_recipe_where_a_shipped_one_has_changed_since(cells, tmp_path):
    run = tmp_path / "run"
    train(cells, run, callback=Recorder(after=1))
    for written in (RunFolder(run).recipe, RunFolder(run).requested):
        text = written.read_text()
        assert "momentum = 0.9\n" in text
        written.write_text(text.replace("momentum = 0.9\n", "momentum = 0.8\n"))
    with pytest.raises(RecipeError, match="by the folder alone"):
        train(cells, run, resume=True)
    resumed = singleshot.train(run, resume=True)
    assert not resumed.interrupted
    assert load_recipe(resumed.folder / "recipe.toml").training.momentum == 0.8


def test_resuming_with_other_images_is_refused(cells, tmp_path):
    train(cells, tmp_path / "run", callback=Recorder(after=1))
    with pytest.raises(ModelError, match="other images, boxes, classes or another split"):
        train(cells, tmp_path / "run", split="test", resume=True)


def test_resuming_without_a_name_takes_the_last_run(cells, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    train(cells, None, callback=Recorder(after=1))
    again = train(cells, None, resume=True)
    assert str(again.folder) == "runs/ssdlite320-lite0"
    assert not again.interrupted


def test_a_broken_validation_image_is_found_before_anything_is_written(cells, tmp_path):
    folder = shutil.copytree(cells, tmp_path / "cells")
    (folder / "JPEGImages/val_1.jpg").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"val_1\.jpg"):
        train(folder, tmp_path / "run", on_error="stop")
    assert not (tmp_path / "run").exists()


def test_without_validation_the_last_weights_count(cells, tmp_path):
    run = train(cells, tmp_path / "run", val_split="none", overrides={"training.epochs": 1})
    assert run.checkpoint.name == "last.safetensors"
    assert run.mean_average_precision is None


def test_a_log_cut_short_is_read_up_to_there(tmp_path):
    line = json.dumps({"kind": "step", "step": 1})
    (tmp_path / "log.jsonl").write_text(f'{line}\n{{"kind": "st')
    assert read_log(tmp_path / "log.jsonl") == [{"kind": "step", "step": 1}]
