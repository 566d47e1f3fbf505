"""Trainings that cannot learn are refused before their run folder is begun."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from cells import make_cells

import singleshot
from singleshot.data.dataset import DataSet
from singleshot.errors import DataError, RecipeError
from singleshot.families import build_detector
from singleshot.recipes.load import load_recipe
from singleshot.structures import Truth
from singleshot.training.processes import ALONE, Processes
from singleshot.training.requirements import (
    report_quick_check,
    require_images_for_batch_norm,
    require_trainable_objects,
)

SMALL = {
    "model.input": [96, 128],  # the last level is 1 × 1
    "model.backbone.name": "mobilenetv3_small_050",
    "model.backbone.weights": "none",
    "model.backbone.frozen_stride": 0,
}


@pytest.fixture(scope="module")
def cells(tmp_path_factory):
    return make_cells(tmp_path_factory.mktemp("data") / "cells")


def dataset_of(*labels: list[int], crowds: bool = False) -> DataSet:
    truths = [Truth.of(torch.ones(len(each), 4), torch.tensor(each).long()) for each in labels]
    truths = [replace(truth, crowd=torch.full((len(truth),), crowds)) for truth in truths]
    images = [(Path(f"{number}.jpg"), truth) for number, truth in enumerate(truths)]
    return DataSet.of(["cat", "dog"], images, description="made up")


def test_images_without_objects_are_not_trained_on():
    with pytest.raises(DataError, match="made up: no objects to train on in 2 images;"):
        require_trainable_objects(dataset_of([], []), print)
    with pytest.raises(
        DataError, match="no objects to train on in 2 images, but 2 crowds; annotate some"
    ):
        require_trainable_objects(dataset_of([0], [1], crowds=True), print)


def test_a_class_without_objects_is_noted():
    messages: list[str] = []
    require_trainable_objects(dataset_of([1], []), messages.append)
    (message,) = messages
    assert message.startswith("1 of 2 classes have no objects in the training images")
    assert message.endswith(": cat")
    require_trainable_objects(dataset_of([1], [0]), messages.append)
    assert len(messages) == 1


def norm_error(processes: Processes = ALONE, **overrides: object) -> str:
    settings = {f"training.{name}": value for name, value in overrides.items()}
    recipe = load_recipe("ssdlite320-lite0", SMALL | settings)
    model = build_detector(recipe.model, ["one"], pretrained=False)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    try:
        require_images_for_batch_norm(model, recipe.training, processes)
    except RecipeError as error:
        return str(error)
    assert not model.training
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    return ""


def test_batch_norm_needs_two_images_at_a_level_of_one_cell():
    message = norm_error(batch_size=1)
    assert message.startswith("training.batch_size = 1 leaves batch norm one value")
    assert "level 5 (1 × 1): pyramid.extra.1" in message
    assert 'use 2 or more, or keep the statistics: training.batch_norm = "frozen"' in message
    assert not norm_error(batch_size=2)
    assert not norm_error(batch_size=1, batch_norm="frozen")
    assert not norm_error(batch_size=1, largest_batch=True)


def test_batch_norm_needs_two_images_in_each_part():
    assert "in 4 parts of one image at least, leaves" in norm_error(batch_size=7, accumulate=4)
    assert "use 8 or more" in norm_error(batch_size=7, accumulate=4)
    assert not norm_error(batch_size=8, accumulate=4)


def test_processes_that_share_statistics_need_one_image_each():
    two = Processes(world_size=2)
    assert not norm_error(two, batch_size=2)
    assert "in 2 parts" in norm_error(two, batch_size=2, batch_norm="local")


def train_on(cells, run, **overrides):
    recipe = SMALL | {"training.workers": 0, "training.steps": 1} | overrides
    return singleshot.train("ssdlite320-lite0", cells, run=run, overrides=recipe)


def test_nothing_is_written_for_one_image_in_a_batch(cells, tmp_path):
    with pytest.raises(RecipeError, match=r"training.batch_size = 1 leaves"):
        train_on(cells, tmp_path / "run", **{"training.batch_size": 1})
    assert not (tmp_path / "run").exists()


def test_nothing_is_written_where_the_training_split_has_no_objects(cells, tmp_path):
    data = shutil.copytree(cells, tmp_path / "data")
    (data / "ImageSets/Main/train.txt").write_text("train_5\n")  # has no cell
    with pytest.raises(DataError, match="no objects to train on in 1 images"):
        train_on(data, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_one_image_is_trained_on_where_batch_norm_keeps_its_statistics(cells, tmp_path):
    one = {"training.batch_size": 1, "training.frozen": ["batch_norm"]}
    assert train_on(cells, tmp_path / "run", **one).steps == 1


def test_a_quick_check_reports_in_one_line_what_it_finds(tmp_path):
    box = torch.tensor([[10.0, 10, 50, 50], [10, 10, 50, 50], [60, 60, 62, 90]])
    truth = Truth.of(box, torch.zeros(3, dtype=torch.int64))
    train = DataSet.of(["cat"], [(tmp_path / "a.jpg", truth)], description="made up")
    messages = []
    report_quick_check(train, (300, 300), ["one", "two"], messages.append)
    assert messages == [
        "checked 1 image: 1 box annotated twice, 1 box too small to be detected, 1 class with "
        "fewer than 10 objects (more: singleshot data check one and singleshot data check two)"
    ]


def test_a_quick_check_that_finds_nothing_is_silent(tmp_path):
    boxes = torch.tensor([[10.0, 10, 50, 50]]) + torch.arange(12)[:, None] * 60
    truth = Truth.of(boxes, torch.zeros(12, dtype=torch.int64))
    train = DataSet.of(["cat"], [(tmp_path / "a.jpg", truth)], description="made up")
    messages = []
    report_quick_check(train, (300, 300), "one", messages.append)
    assert messages == []
