"""The largest batch: the search, the line through what was measured, and what follows from it."""

import math

import pytest
from callbacks import Recorder
from cells import make_cells

import singleshot
from singleshot.errors import RunFailed
from singleshot.recipes.load import load_recipe
from singleshot.training.largest_batch import (
    Peak,
    largest_on_line,
    largest_that_fits,
    with_batch_size,
)


@pytest.mark.parametrize("limit", [1, 2, 3, 16, 23, 99, 100])
def test_doubling_and_bisecting_find_the_limit_in_few_tries(limit):
    tried = []

    def fits(number):
        tried.append(number)
        return number <= limit

    assert largest_that_fits(fits, 100) == limit
    assert len(tried) <= 13


def test_no_image_that_fits_is_an_error():
    with pytest.raises(RunFailed, match="not even one image"):
        largest_that_fits(lambda _: False, 100)


def test_memory_grows_on_a_line():
    # 100 and 10 for each image; 500 are allowed.
    peaks = [Peak(2, 120), Peak(4, 140), Peak(8, 180)]
    assert largest_on_line(peaks, 500, 256) == 40
    assert largest_on_line(peaks, 500, 32) == 32


def test_the_steepest_part_counts():
    assert largest_on_line([Peak(2, 100), Peak(4, 100), Peak(8, 140)], 240, 256) == 18


def test_peaks_that_do_not_grow_have_no_slope():
    assert largest_on_line([Peak(2, 100), Peak(4, 100)], 200, 256) == 8


def test_too_little_memory_for_two_images_is_an_error():
    with pytest.raises(RunFailed, match=r"a batch of 2 images takes 3.0 GB .* 2.0 GB may"):
        largest_on_line([Peak(2, 3_000_000_000)], 2_000_000_000, 256)


def test_the_learning_rate_grows_as_the_batch_and_as_many_images_are_seen():
    recipe = load_recipe("ssd300-vgg16")  # 120,000 steps of 32 images at 0.001
    settings = with_batch_size(recipe, 8).training
    assert (settings.batch_size, settings.largest_batch) == (8, False)
    assert settings.learning_rate == pytest.approx(recipe.training.learning_rate / 4)
    assert settings.steps == 4 * recipe.training.steps
    adamw = load_recipe("ssdlite320-lite0")
    assert with_batch_size(adamw, 32).training.learning_rate == pytest.approx(
        2 * adamw.training.learning_rate
    )


@pytest.mark.parametrize("key", ["batch", "training.batch_size"])
def test_auto_keeps_the_number_that_the_learning_rate_is_for(key):
    settings = load_recipe("ssdlite320-lite0", [f"{key}=auto"]).training
    assert (settings.batch_size, settings.largest_batch) == (8, True)


def test_the_last_word_counts():
    settings = load_recipe("ssdlite320-lite0", ["batch=auto", "batch=16"]).training
    assert (settings.batch_size, settings.largest_batch) == (16, False)


def test_a_recipe_file_may_have_auto(tmp_path):
    recipe = tmp_path / "mine.toml"
    recipe.write_text('based_on = "ssdlite320-lite0"\n[training]\nbatch_size = "auto"\n')
    settings = load_recipe(recipe).training
    assert (settings.batch_size, settings.largest_batch) == (8, True)


def test_a_run_is_resumed_with_the_batch_that_was_found(tmp_path):
    recorder = Recorder()
    cells = make_cells(tmp_path / "cells")
    overrides = {"batch": "auto", "training.epochs": 2, "model.input": [96, 128]}
    run = singleshot.train(
        "ssdlite320-lite0", cells, run=tmp_path / "run", overrides=overrides, callback=recorder
    )
    # There are six images, which fit into any memory: the rate of 0.003 is for eight.
    settings = load_recipe(run.folder / "recipe.toml").training
    assert (settings.batch_size, settings.largest_batch) == (6, False)
    assert settings.learning_rate == pytest.approx(0.003 * math.sqrt(6 / 8))
    assert any("batches of 6 images fit into memory" in line for line in recorder.messages)
    assert run.steps == 2
