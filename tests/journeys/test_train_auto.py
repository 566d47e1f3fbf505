"""`train auto` on real images: what it sees in each data set, and a short training."""

from __future__ import annotations

import re

import pytest
import torch
from command_line import singleshot

from singleshot.auto.choose import choose_recipe
from singleshot.auto.facts import DataFacts
from singleshot.auto.limits import Limits, MeasurementSetup
from singleshot.auto.start import base_content
from singleshot.auto.task import Task, TrainingMachine
from singleshot.data.splits import training_split

SETUP = MeasurementSetup(("any",), torch.zeros(3, 8, 8, dtype=torch.uint8), torch.device("cpu"))


def choose(folder, seconds=1200.0):
    data = training_split([folder], None, None, 0)
    task = Task(
        DataFacts.of(data.train, data.validation), TrainingMachine("cpu", 2), seconds=seconds
    )
    chosen = choose_recipe(task, base_content(None), Limits(), SETUP)
    return chosen.recipe, {choice.key: choice.reason for choice in chosen.choices}


def test_blood_cells_need_little_more_than_their_shape(shared):
    recipe, reasons = choose(shared / "data/bccd", seconds=None)
    assert recipe.model.input == (288, 384)
    assert recipe.model.priors.sizes_unit[0] * 288 == pytest.approx(25, abs=0.5)
    assert "Platelets is in 117 of 205 images" in reasons["training.repeat_threshold"]
    assert recipe.training.repeat_threshold == 0


def test_with_time_for_it_the_input_is_larger(shared):
    recipe, reasons = choose(shared / "data/bccd", seconds=1200.0)
    assert recipe.model.input == (384, 512)
    assert "there is time for more pixels than the usual 320 x 320" in reasons["model.input"]


def test_plates_are_long_and_take_a_square_input(shared):
    recipe, reasons = choose(shared / "data/plates", seconds=None)
    assert recipe.model.input == (320, 320)
    assert "below 1.74 : 1 instead of 2.6" in reasons["model.input"]
    assert recipe.model.priors.aspect_ratios[0] == (2, 3)
    assert "training.repeat_threshold" not in reasons  # a single class


def test_traffic_is_small_and_unbalanced(shared):
    recipe, reasons = choose(shared / "data/traffic")
    height, width = recipe.model.input
    assert height * width > 1.2 * 320 * 320
    assert "but the images have no more pixels (352 x 288)" in reasons["model.input"]
    assert recipe.model.priors.sizes_unit[0] < 0.05
    assert recipe.augmentation.expand.up_to == 2
    assert "cyclist is in 1 of 70 images" in reasons["training.repeat_threshold"]
    assert 0.1 < recipe.training.repeat_threshold < 0.5
    assert "11 images with 49 objects: so few" in reasons["training.validate_every"]


def test_a_short_training_by_the_command(shared, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = str(shared / "data/kangaroo")
    limits = ["--max-gmac", "0.15", "--batch-size", "4", "--set", "training.steps=2"]
    done = singleshot("train", "auto", "--data", data, "--run", "runs/auto", *limits)
    assert done.exit_code == 0, done.stderr
    assert "auto: 115 images of 634 x 445 in the median, 193 objects" in done.stderr
    assert re.search(r"auto: model\.input = .*--max-gmac 0\.15 allows no larger", done.stderr)
    assert re.search(r"auto: priors overlap \d+\.\d% of the objects", done.stderr)
    assert re.search(r"M parameters, 0\.1\d GMAC at .* ms from a decoded image", done.stderr)
    # The recipe that was chosen is one to begin others with.
    shown = singleshot("models", "show", "runs/auto/auto.toml", "--num-classes", "1")
    assert shown.exit_code == 0, shown.stderr
    assert int(re.search(r"macs +([\d,]+)", shown.stdout)[1].replace(",", "")) <= 0.15e9


def test_auto_is_no_recipe_to_be_shown():
    for command in (["models", "show"], ["models", "recipe"], ["data", "coverage"]):
        done = singleshot(*command, "auto", *(["."] if command[0] == "data" else []))
        assert done.exit_code == 2
        assert "auto is no recipe: `singleshot train auto --data DATA` chooses one" in done.stderr
    assert "singleshot train auto --data DATA" in singleshot("models", "list").stderr
