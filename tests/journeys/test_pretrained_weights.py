"""Pretrained weights are imported, used and fine-tuned; what cannot be imported is refused."""

from __future__ import annotations

import json
import os
import pickle
import signal
from pathlib import Path

import pytest
import torch
from command_line import singleshot
from torchvision.models import mobilenet_v2
from torchvision.models.detection import ssdlite320_mobilenet_v3_large

from singleshot.checkpoints.checkpoint import Checkpoint
from singleshot.runs.log import RunLog

SHORT = ("--set", "training.epochs=1", "--set", "training.batch_size=3")


@pytest.fixture(scope="module")
def file(home):
    """A detector as torchvision saves it, with random weights."""
    torch.manual_seed(0)
    model = ssdlite320_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=91)
    torch.save(model.state_dict(), home / "ssdlite320.pth")
    return "ssdlite320.pth"


@pytest.fixture(scope="module")
def imported(home, file):
    done = singleshot("models", "import", str(home / file), "--output", str(home / "runs/imported"))
    assert done.exit_code == 0, done.stderr
    return done


def test_the_import_prints_its_format(imported):
    assert "kind: torchvision\ninput: 320 x 320" in imported.stdout
    assert "classes: person, bicycle, car, motorcycle, airplane and 75 more" in imported.stdout


@pytest.mark.usefixtures("imported")
def test_the_run_is_an_ordinary_one():
    done = singleshot("predict", "runs/imported", "cells/JPEGImages/train_0.jpg", "--json")
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)[0]["width"] == 128
    done = singleshot("models", "show", "runs/imported/recipe.toml", "--json")
    assert json.loads(done.stdout)["num_boxes"] == 3234


@pytest.mark.usefixtures("imported")
def test_a_training_starts_from_it():
    words = ("--data", "cells", "--init", "runs/imported", "--run", "runs/tuned")
    done = singleshot("train", "runs/imported/recipe.toml", *words, *SHORT)
    assert done.exit_code == 0, done.stderr
    assert "tensors carried over; classes kept: none; new: RBC, WBC" in done.stderr.replace(
        "\n", " "
    )
    assert Checkpoint.load(Path("runs/tuned/checkpoints/last.safetensors")).class_names == (
        "RBC",
        "WBC",
    )


@pytest.mark.usefixtures("imported")
def test_a_training_starts_from_the_file_itself(file):
    words = ("--data", "cells", "--init", file, "--run", "runs/straight", *SHORT)
    done = singleshot("train", "runs/imported/recipe.toml", *words)
    assert done.exit_code == 0, done.stderr
    assert "tensors carried over" in done.stderr


def test_a_classifier_starts_the_backbone():
    torch.save(mobilenet_v2(weights=None).state_dict(), "mobilenet_v2.pth")
    words = ("--data", "cells", "--init", "mobilenet_v2.pth", "--run", "runs/backbone", *SHORT)
    done = singleshot("train", "ssdlite320-mobilenet-v2", *words)
    assert done.exit_code == 0, done.stderr
    assert 'weights = "mobilenet_v2.pth"' in Path("runs/backbone/recipe.toml").read_text()
    messages = " ".join(done.stderr.split())
    assert "mobilenet_v2.pth: 312 tensors taken; left over: classifier.1.weight, cl" in messages


def test_a_classifier_is_no_start_for_a_network_of_its_own(shared):
    faces = shared / "weights/res10_ssd300_face_caffe/deploy.prototxt.txt"
    done = singleshot("models", "import", str(faces), "--output", "runs/faces")
    assert done.exit_code == 0, done.stderr
    torch.save(mobilenet_v2(weights=None).state_dict(), "classifier.pth")
    words = ("--data", "cells", "--init", "classifier.pth", "--run", "runs/never")
    done = singleshot("train", "runs/faces/recipe.toml", *words)
    assert done.exit_code == 2
    assert "takes no classifier's weights" in done.stderr
    assert not Path("runs/never").exists()


def test_a_classifier_is_no_start_for_a_backbone_without_weights():
    torch.save(mobilenet_v2(weights=None).state_dict(), "classifier.pth")
    words = ("--data", "cells", "--init", "classifier.pth", "--run", "runs/never")
    done = singleshot("train", "sliding-window", *words)
    assert done.exit_code == 2
    assert "a backbone of kind 'hog' takes no classifier's weights" in done.stderr
    assert not Path("runs/never").exists()


@pytest.mark.usefixtures("imported")
def test_an_interrupted_training_is_resumed_by_the_same_command(monkeypatch):
    words = ("train", "runs/imported/recipe.toml", "--data", "cells", "--init", "runs/imported")
    words += ("--run", "runs/stopped", *SHORT, "--set", "training.epochs=2")
    with monkeypatch.context() as patch:
        patch.setattr(RunLog, "on_step", lambda *_: os.kill(os.getpid(), signal.SIGINT))
        done = singleshot(*words)
    assert done.exit_code == 130, done.stderr
    done = singleshot(*words, "--resume")
    assert done.exit_code == 0, done.stderr


class Attack:
    """Whoever unpickles it leaves a trace."""

    def __reduce__(self):
        return (Path.touch, (Path("attacked"),))


def with_code(path):
    path.write_bytes(pickle.dumps({"backbone.0.weight": Attack()}))


def with_code_in_an_archive(path):
    torch.save({"backbone.0.weight": Attack()}, path)


def cut_short(path):
    torch.save(mobilenet_v2(weights=None).state_dict(), path)
    path.write_bytes(path.read_bytes()[:100_000])


def with_a_poem(path):
    path.write_text("Roses are red\n")


def of_a_classifier(path):
    torch.save(mobilenet_v2(weights=None).state_dict(), path)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (with_code, "not a PyTorch file of plain tensors"),
        (with_code_in_an_archive, "not a PyTorch file of plain tensors"),
        (cut_short, "cut short: the end of the archive is missing"),
        (with_a_poem, "not the weights of a known detector"),
        (of_a_classifier, "a start for training: singleshot train RECIPE --init FILE"),
        (lambda _path: None, "there is no such run folder, checkpoint or weight file"),
    ],
)
def test_what_cannot_be_imported_is_refused_in_a_line(spoil, message, tmp_path):
    spoil(tmp_path / "weights.pth")
    done = singleshot("models", "import", str(tmp_path / "weights.pth"), "--output", "runs/never")
    assert done.exit_code == 2
    assert "weights.pth: " in done.stderr
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not Path("runs/never").exists()
    assert not Path("attacked").exists()


def test_a_file_of_another_kind_than_given_is_refused(file):
    done = singleshot("models", "import", file, "--from", "ultraface", "--output", "runs/never")
    assert done.exit_code == 2
    assert file in done.stderr
    done = singleshot("models", "import", file, "--from", "keras", "--output", "runs/never")
    assert "--from keras: there are torchvision, amdegroot" in done.stderr
    assert not Path("runs/never").exists()


@pytest.mark.usefixtures("imported")
def test_an_import_does_not_write_over_a_run(file):
    done = singleshot("models", "import", file, "--output", "runs/imported")
    assert done.exit_code == 2
    assert "already holds a finished run" in done.stderr


@pytest.mark.usefixtures("imported")
def test_another_backbone_is_no_start(train):
    done = train("--data", "cells", "--init", "runs/imported", "--run", "runs/never")
    assert done.exit_code == 2
    assert "its backbone (mobilenet_v3_large) does not fit" in done.stderr
    assert not Path("runs/never").exists()
