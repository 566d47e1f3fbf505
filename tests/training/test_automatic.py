"""`train auto` on a few made-up images: what it prints and writes, again, resumed, refused."""

# Tests singleshot/cli/train.py

import re

import pytest
from callbacks import Recorder
from cells import make_cells

import singleshot
from singleshot.checkpoints.checkpoint import Checkpoint
from singleshot.data.cache.memory import cache_images
from singleshot.errors import RecipeError, SingleshotError
from singleshot.families import build_detector
from singleshot.recipes.load import load_recipe
from singleshot.runs.log import read_log
from singleshot.training.options import TrainingOptions, require_options_of_auto

# What keeps the trainings of these tests short.
OVERRIDES = {
    "training.steps": 4,
    "training.batch_size": 3,
    "training.precision": "float32",
    "model.input": [96, 128],
    "model.backbone.name": "mobilenetv3_small_050",
    "model.backbone.weights": "none",
    "model.backbone.frozen_stride": 0,
    "augmentation.expand": {"probability": 0.25},
}


@pytest.fixture(scope="module")
def cells(tmp_path_factory):
    return make_cells(tmp_path_factory.mktemp("data") / "cells")


def train(recipe, cells, run, **more):
    overrides = {**OVERRIDES, **more.pop("overrides", {})}
    return singleshot.train(recipe, cells, run=run, overrides=overrides, **more)


@pytest.fixture(scope="module")
def run(cells, tmp_path_factory):
    """A training by a recipe that was chosen, and its messages."""
    recorder = Recorder()
    folder = tmp_path_factory.mktemp("runs") / "auto"
    return train("auto", cells, folder, callback=recorder), recorder.messages


def losses(run):
    records = read_log(run.folder / "log.jsonl")
    return [line["localization"] for line in records if line["kind"] == "step"]


def test_each_choice_is_printed_with_its_reason_and_the_size_at_the_end(run):
    trained, messages = run
    choices = [line for line in messages if line.startswith("auto: ")]
    assert choices[0].startswith("auto: 6 images, 1 without objects, of 128 x 96 in the median")
    assert "auto: model.input = [96, 128]: given" in choices
    # Of a table that is given, the rules choose the other keys alone.
    assert "auto: augmentation.expand.probability = 0.25: given" in choices
    assert any(line.startswith("auto: augmentation.expand.up_to = 2.0: ") for line in choices)
    expand = load_recipe(trained.folder / "recipe.toml").augmentation.expand
    assert (expand.probability, expand.up_to) == (0.25, 2.0)
    assert any(line.startswith("auto: model.priors.sizes_unit = [") for line in choices)
    assert re.search(
        r"best\.safetensors: validation AP 0\.\d{3}, \d\.\d\d M parameters, 0\.\d\d GMAC at "
        r"96 x 128, \d+\.\d ms from a decoded image",
        messages[-1],
    )
    assert trained.steps == 4


def test_the_chosen_recipe_gives_the_same_run_again(run, cells, tmp_path):
    trained, _ = run
    again = singleshot.train(trained.folder / "auto.toml", cells, run=tmp_path / "again")
    assert load_recipe(again.folder / "recipe.toml") == load_recipe(trained.folder / "recipe.toml")
    assert losses(again) == losses(trained)
    assert again.mean_average_precision == trained.mean_average_precision
    assert not (again.folder / "auto.toml").exists()


@pytest.mark.parametrize("by_folder", [True, False])
def test_resuming_continues_with_what_was_chosen(run, cells, tmp_path, by_folder):
    folder = tmp_path / "run"
    assert train("auto", cells, folder, callback=Recorder(after=2)).interrupted
    recorder = Recorder()
    if by_folder:
        resumed = singleshot.train(folder, resume=True, callback=recorder)
    else:
        # Without what was given: it is in the recipe that was written.
        resumed = singleshot.train("auto", cells, run=folder, resume=True, callback=recorder)
    assert resumed.steps == 4
    assert not any(line.startswith("auto: ") for line in recorder.messages)
    assert losses(resumed) == losses(run[0])


def test_resuming_with_another_value_is_refused(cells, tmp_path):
    folder = tmp_path / "run"
    train("auto", cells, folder, callback=Recorder(after=1))
    with pytest.raises(RecipeError, match=r"begun with another recipe \(training\.momentum: 0\.9"):
        train("auto", cells, folder, resume=True, overrides={"training.momentum": 0.8})


def test_a_start_keeps_its_network_and_has_the_values_of_fine_tuning(run, cells, tmp_path):
    trained, _ = run
    recorder = Recorder()
    tuned = singleshot.train(
        "auto",
        cells,
        run=tmp_path / "tuned",
        init=trained.folder,
        epochs=1,
        callback=recorder,
    )
    settings, own = (load_recipe(one.folder / "recipe.toml") for one in (tuned, trained))
    assert settings.model == own.model
    assert settings.training.learning_rate == 0.0005  # it knows all classes
    log = "\n".join(recorder.messages)
    assert f"auto: start: {trained.folder}, 0.0" in log
    assert "\nstarts from a detector that knows all" in log
    again = singleshot.train(
        tuned.folder / "auto.toml", cells, run=tmp_path / "again", init=trained.folder
    )
    assert load_recipe(again.folder / "recipe.toml") == settings
    assert losses(again) == losses(tuned)


def test_a_coarse_start_gives_its_backbone_to_new_classes(cells, tmp_path):
    recipe = load_recipe("ssdlite320-mobilenet-v2")
    weights = build_detector(recipe.model, ["dog"], pretrained=False).state_dict()
    Checkpoint(weights, recipe, ("dog",), {}).save(tmp_path / "dogs.safetensors")

    def train_from_dogs(recipe, folder, **more):
        init = tmp_path / "dogs.safetensors"
        return singleshot.train(recipe, cells, run=tmp_path / folder, init=init, **more)

    overrides = {key: OVERRIDES[key] for key in OVERRIDES if "backbone" not in key}
    recorder = Recorder(after=1)
    assert train_from_dogs("auto", "run", overrides=overrides, callback=recorder).interrupted
    log = "\n".join(recorder.messages)
    assert "; its backbone alone, as it has no level of stride 8" in log
    assert "auto: training.backbone_learning_rate = 0.15: " in log
    assert "\nstarts from a detector that does not know all" in log
    resumed = train_from_dogs("auto", "run", resume=True)
    again = train_from_dogs(resumed.folder / "auto.toml", "again")
    settings, same = (load_recipe(one.folder / "recipe.toml") for one in (resumed, again))
    assert settings == same
    assert settings.model.backbone.nodes[0] == "features.7.conv.0"
    assert losses(again) == losses(resumed)


def test_limits_bound_the_detector(cells, tmp_path):
    with pytest.raises(SingleshotError, match=r"--max-gmac 0\.01: with an input of 96 x 128"):
        train("auto", cells, tmp_path / "run", max_gmac=0.01)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("recipe", "options", "message"),
    [
        ("ssdlite320-lite0", {"max_latency": 0.02}, "--max-latency bounds what `train auto` choos"),
        ("mine.toml", {"max_gmac": 0.5}, "give auto in place of mine.toml"),
        ("auto", {"prune": 0.5, "init": "runs/a"}, "give runs/a in place of auto"),
        ("auto", {"quantize": True, "init": "runs/a"}, "--quantize keeps the network of --init"),
    ],
)
def test_options_that_do_not_belong_together_are_refused(recipe, options, message):
    with pytest.raises(SingleshotError, match=re.escape(message)):
        require_options_of_auto(recipe, TrainingOptions("cells", **options))


def test_a_time_budget_measures_the_machine_by_steps_of_the_base_recipe(
    cells, tmp_path, monkeypatch
):
    measured = []

    def slow(training, batches, budget):
        measured.append((training.recipe.model.input, budget))
        next(iter(batches.between(0, 1)))
        return 1.1

    monkeypatch.setattr("singleshot.training.automatic.seconds_per_step", slow)
    monkeypatch.setattr("singleshot.training.automatic.available_cores", lambda: 2)
    recorder = Recorder()
    with pytest.raises(SingleshotError, match="too short"):
        train("auto", cells, tmp_path / "run", callback=recorder, time_budget=0.5)
    assert measured == [((320, 320), 0.5)]
    assert "auto: machine: 2 cores (4 times slower than usual), 0.5 seconds" in recorder.messages


@pytest.mark.parametrize(
    ("given", "shape"),
    [
        ({}, (3, 48, 64)),
        ({"training.cache_side": 24}, (3, 24, 32)),
        ({"training.cache_side": 0}, (3, 96, 128)),
    ],
)
def test_the_machine_is_measured_with_images_as_large_as_those_of_the_training(
    cells, tmp_path, monkeypatch, given, shape
):
    cached = []

    def cache(*args, **options):
        images = cache_images(*args, **options)
        cached.append(images[0].image.shape)
        return images

    monkeypatch.setattr("singleshot.training.automatic.cache_images", cache)
    # Twice the input's 24 rows; the images have 96.
    monkeypatch.setattr("singleshot.auto.constants.LARGER_INPUT", (24, 32))
    monkeypatch.setattr("singleshot.training.automatic.seconds_per_step", lambda *_: 1.1)
    with pytest.raises(SingleshotError, match="too short"):
        train("auto", cells, tmp_path / "run", time_budget=0.5, overrides=given)
    assert cached == [shape]
