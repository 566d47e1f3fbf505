"""Trainings that start from a detector: its classes, its accuracy before the first step."""

import pytest
import timm
import torch
from callbacks import Recorder
from cells import make_cells
from torch import nn

import singleshot
from singleshot.checkpoints.checkpoint import Checkpoint
from singleshot.checkpoints.transfer import TrainedDetector
from singleshot.data.opening import open_dataset
from singleshot.errors import ModelError, RunFailed, SingleshotError
from singleshot.families import build_detector
from singleshot.metrics.coco import ClassNumbers
from singleshot.models.opening import start_from
from singleshot.recipes.load import load_recipe
from singleshot.runs.log import read_log
from singleshot.structures import Detections
from singleshot.training import build
from singleshot.training import start as starting
from singleshot.training.loop import Scores
from singleshot.training.start import Start, find_nearest_classes

CPU = torch.device("cpu")
OVERRIDES = {
    "training.epochs": 2,
    "training.batch_size": 3,
    "training.precision": "float32",
    "training.validate_every": 1,
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
def begun(cells, tmp_path_factory):
    """A run to start from."""
    run = tmp_path_factory.mktemp("runs") / "begun"
    sgd = {"training.optimizer": "sgd", "training.learning_rate": 0.02}
    overrides = {"training.epochs": 1, "training.weight_decay": 4e-5, **sgd}
    return train(cells, run, val_split="none", overrides=overrides).folder


class Seer(nn.Module):
    """Takes each RBC for a ball, less surely for a donut, and finds no WBC."""

    class_names = ("donut", "ball")

    def __init__(self, images):
        super().__init__()
        rbc = images.class_names.index("RBC")
        truths = [images.truth(index) for index in range(len(images))]
        self.boxes = [truth.boxes[truth.labels == rbc] for truth in truths]

    def detect(self, images):
        found, self.boxes = self.boxes[: len(images)], self.boxes[len(images) :]
        return [
            Detections(
                torch.cat([boxes, boxes]),
                torch.cat([torch.full((len(boxes),), score) for score in (0.4, 0.3)]),
                torch.tensor([1, 0]).repeat_interleave(len(boxes)),
            )
            for boxes in found
        ]


def test_the_nearest_class_is_the_one_that_objects_are_taken_for(cells, begun, monkeypatch):
    images = open_dataset(cells, "train")
    monkeypatch.setattr(starting, "detector_from", lambda *_: Seer(images))
    nearest = find_nearest_classes(start_from(begun), images, images.class_names, CPU)
    assert nearest == {"RBC": ("ball", pytest.approx(0.4))}
    start = Start(start_from(begun), {}, nearest)
    assert start.knows(["RBC", "WBC"])  # WBC by its name
    assert not start.knows(["RBC", "Platelets"])


def test_classes_of_the_same_name_need_no_nearest(cells, begun, monkeypatch):
    monkeypatch.setattr(starting, "find_nearest_classes", pytest.fail)
    start = Start.on(start_from(begun), {}, open_dataset(cells, "train"), CPU)
    assert start.kept_classes(("RBC", "WBC", "Platelets")) == ("RBC", "WBC")


def answering(monkeypatch, *accuracies):
    """Let each validation have the next of these accuracies."""
    answers = iter(accuracies)

    def validation_on(*_):
        return lambda *_: Scores(
            ap := next(answers), ap, dict.fromkeys(("RBC", "WBC"), ClassNumbers(ap, ap))
        )

    monkeypatch.setattr(build, "validation_on", validation_on)
    monkeypatch.setattr("singleshot.training.train.report_on_validation", lambda *_: None)


def test_the_start_is_validated_before_the_first_step_and_may_stay_the_best(
    cells, begun, tmp_path, monkeypatch
):
    answering(monkeypatch, 0.7, 0.6, 0.65)
    recorder = Recorder()
    run = train(cells, tmp_path / "run", init=begun, callback=recorder)
    assert run.mean_average_precision == 0.7
    log = read_log(run.folder / "log.jsonl")
    assert [line["step"] for line in log if line["kind"] == "evaluation"] == [0, 2, 4]
    theirs = Checkpoint.load(begun / "checkpoints/last.safetensors").weights
    best = Checkpoint.load(run.checkpoint).weights
    assert all(torch.equal(best[name], tensor) for name, tensor in theirs.items())
    assert "before training: AP 0.700, AP50 0.700 on the shared classes" in recorder.messages
    assert any(
        message.startswith("no validation was better than before training (AP 0.700)")
        for message in recorder.messages
    )


@pytest.mark.parametrize(
    ("heads", "rate"),
    [({}, 5e-4), ({"model.priors.aspect_ratios": [[2]] * 6}, 5e-3)],
    ids=["the same", "of fewer priors"],
)
def test_classes_are_known_only_where_the_outputs_for_them_are_kept(
    cells, begun, tmp_path, heads, rate
):
    overrides = {"training.epochs": 1, **heads}
    run = train(cells, tmp_path / "run", init=begun, overrides=overrides, val_split="none")
    training = load_recipe(run.folder / "recipe.toml").training
    assert training.learning_rate == rate
    assert training.average_with_start == (rate == 5e-4)


@pytest.mark.parametrize(
    ("class_names", "kept"),
    [
        (["RBC", "WBC"], {"RBC": "RBC", "WBC": "WBC"}),
        (["WBC", "RBC"], {}),
        (["RBC", "ring"], {}),
        (["RBC"], {}),
    ],
    ids=["the same", "in another order", "one of another name", "one less"],
)
def test_a_kind_without_rows_for_classes_keeps_outputs_for_the_same_classes_alone(
    class_names, kept
):
    recipe = load_recipe("localizer", {"model.backbone.weights": "none"})
    weights = build_detector(recipe.model, ["RBC", "WBC"], pretrained=False).state_dict()
    checkpoint = Checkpoint(weights, recipe, ("RBC", "WBC"), {})
    begun = Start(TrainedDetector(checkpoint, "runs/begun"))
    assert begun.keeps_outputs(recipe.model, class_names) == bool(kept)
    detector = build_detector(recipe.model, class_names, pretrained=False)
    assert begun.transfer_to(detector).classes == kept


def test_a_validation_far_below_the_start_ends_the_training_and_keeps_the_start(
    cells, begun, tmp_path, monkeypatch
):
    answering(monkeypatch, 0.7, 0.3)
    with pytest.raises(RunFailed, match=r"fallen from AP 0.700 .* to 0.300.*learning_rate=5e-05"):
        train(cells, tmp_path / "run", init=begun)
    best = Checkpoint.load(tmp_path / "run/checkpoints/best.safetensors")
    assert best.metrics["step"] == 0
    with pytest.raises(RunFailed, match=r"--resume RUN --set training\.stop_when_worse=false"):
        train(cells, tmp_path / "run", init=begun, resume=True)
    overrides = {"training.stop_when_worse": False}
    answering(monkeypatch, 0.2)
    assert train(cells, tmp_path / "run", init=begun, resume=True, overrides=overrides).steps == 4
    answering(monkeypatch, 0.7, 0.3, 0.2)
    assert train(cells, tmp_path / "other", init=begun, overrides=overrides).steps == 4


def test_interrupted_after_the_validation_of_the_start_it_is_not_repeated(cells, begun, tmp_path):
    train(cells, tmp_path / "run", init=begun, callback=Recorder(after=1))
    train(cells, tmp_path / "run", init=begun, resume=True)
    log = read_log(tmp_path / "run/log.jsonl")
    assert [line["step"] for line in log if line["kind"] == "evaluation"] == [0, 2, 4]


def test_batch_norms_are_frozen_as_the_start_has_them(cells, begun, tmp_path):
    run = train(cells, tmp_path / "run", init=begun, overrides={"training.batch_norm": "frozen"})
    theirs = Checkpoint.load(begun / "checkpoints/last.safetensors").weights
    ours = Checkpoint.load(run.folder / "checkpoints/last.safetensors").weights
    norms = {name.rpartition(".")[0] for name in theirs if name.endswith("running_mean")}
    kept = {name for name in theirs if name.rpartition(".")[0] in norms}
    assert len(norms) > 10
    changed = {name for name, tensor in theirs.items() if not torch.equal(ours[name], tensor)}
    assert not changed & kept
    assert "backbone.body.conv_stem.weight" in changed


def test_a_class_map_is_checked_before_anything_is_written(cells, begun, tmp_path):
    with pytest.raises(ModelError, match="--class-map RCB=WBC: the data have no class 'RCB'"):
        train(cells, tmp_path / "run", init=begun, class_map={"RCB": "WBC"})
    with pytest.raises(SingleshotError, match="expected two names, as pedestrian=person"):
        train(cells, tmp_path / "run", init=begun, class_map=["RBC"])
    with pytest.raises(SingleshotError, match="give one to --init"):
        train(cells, tmp_path / "run", class_map={"RBC": "WBC"})
    assert not (tmp_path / "run").exists()


def test_a_training_from_the_weights_of_a_classifier_is_resumed(cells, tmp_path):
    network = timm.create_model("mobilenetv3_small_050", pretrained=False)
    torch.save(network.state_dict(), tmp_path / "classifier.pth")
    start = {"init": tmp_path / "classifier.pth", "val_split": "none"}
    train(cells, tmp_path / "run", callback=Recorder(after=1), **start)
    assert train(cells, tmp_path / "run", resume=True, **start).steps == 4
