"""Trainings with a teacher, on a few made-up images."""

import os
import signal

import pytest
import torch
from cells import make_cells

import singleshot
from singleshot.checkpoints.checkpoint import Checkpoint
from singleshot.errors import ModelError
from singleshot.runs.callbacks import CallbackList
from singleshot.runs.log import read_log

OVERRIDES = {
    "training.steps": 4,
    "training.batch_size": 3,
    "training.precision": "float32",
    "model.input": [96, 128],
    "model.backbone": {
        "kind": "timm",
        "name": "mobilenetv3_small_050",
        "strides": [8, 16, 32],
        "weights": "none",
    },
}


class Recorder(CallbackList):
    """Records messages, and interrupts the training after two steps if `stops`."""

    def __init__(self, *, stops=False):
        super().__init__([])
        self.stops, self.messages = stops, []

    def on_message(self, message):
        self.messages.append(message)

    def on_step(self, step):
        if self.stops and step.step == 2:
            os.kill(os.getpid(), signal.SIGINT)


@pytest.fixture(scope="module")
def cells(tmp_path_factory):
    return make_cells(tmp_path_factory.mktemp("data") / "cells")


@pytest.fixture(scope="module")
def train(cells):
    def run(folder, *, overrides=(), **more):
        settings = {**OVERRIDES, **dict(overrides)}
        return singleshot.train(
            "ssdlite320-lite0", cells, run=folder, val_split="none", overrides=settings, **more
        )

    return run


@pytest.fixture(scope="module")
def teachers(train, tmp_path_factory):
    """Two detectors that differ."""
    folder = tmp_path_factory.mktemp("teachers")
    return [train(folder / str(seed), overrides={"training.seed": seed}).folder for seed in (1, 2)]


@pytest.fixture(scope="module")
def undistilled(train, tmp_path_factory):
    return train(tmp_path_factory.mktemp("runs") / "undistilled")


@pytest.fixture(scope="module")
def distilled(train, teachers, tmp_path_factory):
    """A training with a teacher, never interrupted."""
    return train(tmp_path_factory.mktemp("runs") / "distilled", teacher=teachers[0])


def weights(run):
    return Checkpoint.load(run.checkpoint).weights


def equal(run, other):
    ours, theirs = weights(run), weights(other)
    assert ours.keys() == theirs.keys()
    return all(torch.equal(ours[name], tensor) for name, tensor in theirs.items())


def losses(run):
    return [line for line in read_log(run.folder / "log.jsonl") if line["kind"] == "step"]


def test_the_log_has_the_distillation_loss(distilled, undistilled):
    assert all(line["distillation"] > 0 for line in losses(distilled))
    assert all(line["distillation"] is None for line in losses(undistilled))


def test_a_distilled_training_has_the_same_first_losses_and_other_weights(distilled, undistilled):
    ours, theirs = losses(distilled)[0], losses(undistilled)[0]
    assert ours["classification"] == theirs["classification"]
    assert ours["localization"] == theirs["localization"]
    assert not equal(distilled, undistilled)


def test_a_checkpoint_holds_nothing_of_the_teacher(distilled, undistilled):
    assert weights(distilled).keys() == weights(undistilled).keys()


def test_a_weight_of_zero_is_bit_for_bit_the_training_without_a_teacher(
    train, teachers, undistilled, tmp_path
):
    recorder = Recorder()
    overrides = {"training.distillation.weight": 0}
    unweighted = train(
        tmp_path / "run", overrides=overrides, teacher=teachers[0], callback=recorder
    )
    assert equal(unweighted, undistilled)
    message = f"{teachers[0]}: not distilled (training.distillation.weight = 0)"
    assert message in recorder.messages


def test_interrupted_and_resumed_is_as_if_never_interrupted(train, teachers, distilled, tmp_path):
    stopped = train(tmp_path / "run", teacher=teachers[0], callback=Recorder(stops=True))
    assert stopped.interrupted
    resumed = train(tmp_path / "run", teacher=teachers[0], resume=True)
    assert not resumed.interrupted
    assert equal(resumed, distilled)


def test_a_run_resumes_only_with_the_teacher_it_began_with(train, teachers, tmp_path):
    train(tmp_path / "distilled", teacher=teachers[0], callback=Recorder(stops=True))
    with pytest.raises(ModelError, match="begun with another teacher than this one"):
        train(tmp_path / "distilled", teacher=teachers[1], resume=True)
    with pytest.raises(ModelError, match="begun with a teacher, and none is given"):
        train(tmp_path / "distilled", resume=True)
    train(tmp_path / "undistilled", callback=Recorder(stops=True))
    with pytest.raises(ModelError, match="begun without a teacher"):
        train(tmp_path / "undistilled", teacher=teachers[0], resume=True)


def test_distilled_classes_and_method_are_reported(train, teachers, tmp_path):
    recorder = Recorder()
    larger = {"model.input": [128, 160], "training.steps": 1}
    train(tmp_path / "run", overrides=larger, teacher=teachers[0], callback=recorder)
    assert (
        f"{teachers[0]}: distils RBC, WBC by detections, as its priors differ" in recorder.messages
    )


def test_a_teacher_must_be_a_detector(train, tmp_path):
    with pytest.raises(ModelError, match="there is no such run folder, checkpoint or weight file"):
        train(tmp_path / "run", teacher=tmp_path / "nothing")
    (tmp_path / "text.pth").write_text("no detector")
    with pytest.raises(ModelError, match=r"text\.pth: not a known detector; a teacher is"):
        train(tmp_path / "run", teacher=tmp_path / "text.pth")
    assert not (tmp_path / "run").exists()
