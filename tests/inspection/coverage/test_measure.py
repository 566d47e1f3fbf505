"""Coverage of made-up cells by a small detector's priors."""

# Tests singleshot/inspection/coverage/fitted_recipe.py
# Tests singleshot/data/input_objects.py
# Tests singleshot/inspection/coverage/options.py
# Tests singleshot/inspection/coverage/result.py

from __future__ import annotations

import json
import shutil

import pytest
import torch
from cells import make_cells
from small import TINY

import singleshot
from singleshot.boxes.geometry import pairwise_iou
from singleshot.data.opening import open_dataset
from singleshot.errors import DataError, RecipeError, SingleshotError
from singleshot.families import build_detector
from singleshot.recipes.load import load_recipe

SMALL = {
    "model.input": [96, 128],
    "model.backbone": TINY,
    "model.pyramid.extra": [],
    "model.priors.sizes_unit": [0.5, 0.7],
    "model.priors.aspect_ratios": [[2]],
}
RECIPE = "ssdlite320-lite0"


@pytest.fixture(scope="module")
def cells(tmp_path_factory):
    return make_cells(tmp_path_factory.mktemp("data") / "cells")


@pytest.fixture(scope="module")
def fitted(cells, tmp_path_factory):
    path = tmp_path_factory.mktemp("fitted") / "cells.toml"
    return singleshot.measure_coverage(RECIPE, cells, fit=path, overrides=SMALL)


def test_the_numbers_are_those_of_all_pairs_of_priors_and_objects(cells):
    coverage = singleshot.measure_coverage(RECIPE, cells, overrides=SMALL).coverage
    dataset = open_dataset(cells, "train")
    detector = build_detector(load_recipe(RECIPE, SMALL).model, ["a"], pretrained=False)
    # The input has the images' size, so that boxes stay as they are.
    priors = detector.prior_layout().boxes
    iou = pairwise_iou(dataset.truths.boxes.float(), priors).amax(dim=1)
    assert coverage.all.objects == len(iou) == 10
    assert coverage.all.mean_best_iou == pytest.approx(float(iou.mean()), abs=1e-4)
    assert coverage.all.recall == pytest.approx(float((iou >= 0.5).float().mean()))
    assert sum(coverage.histogram) == 10
    assert coverage.priors == len(priors) == 6 * 8 * 4


def test_images_may_lie_elsewhere(cells, fitted, tmp_path):
    folder = shutil.copytree(cells, tmp_path / "cells")
    elsewhere = (folder / "JPEGImages").rename(tmp_path / "elsewhere")
    out = tmp_path / "cells.toml"
    result = singleshot.measure_coverage(RECIPE, folder, fit=out, overrides=SMALL, images=elsewhere)
    assert result.coverage.histogram == fitted.coverage.histogram


def test_each_object_belongs_to_one_class_one_size_and_one_level(fitted):
    coverage = fitted.coverage
    assert {name: one.objects for name, one in coverage.per_class.items()} == {"RBC": 5, "WBC": 5}
    assert sum(one.objects for one in coverage.per_size.values()) == 10
    assert sum(level.share for level in coverage.levels) == pytest.approx(1)


def test_boxes_are_resized_with_their_images(cells):
    doubled = {**SMALL, "model.input": [192, 256]}
    once = singleshot.measure_coverage(RECIPE, cells, overrides=SMALL).coverage
    twice = singleshot.measure_coverage(RECIPE, cells, overrides=doubled).coverage
    number = int((open_dataset(cells, "train").truths.areas < 32**2).sum())
    assert once.per_size["small"].objects == number > 0
    assert twice.per_size["small"].objects == 0


def test_fitted_priors_cover_better_and_are_shown_on_held_out_images(fitted):
    train, augmented, held_out = fitted.fit.gains
    assert train.after.mean_best_iou > train.before.mean_best_iou
    assert augmented.after.objects == augmented.before.objects > 100
    assert held_out.after.objects == 4
    assert "split test" in held_out.data


def test_no_image_that_priors_are_fitted_to_is_held_out(cells, tmp_path):
    path = tmp_path / "all.toml"
    split = "train+val+test"
    fit = singleshot.measure_coverage(RECIPE, cells, split=split, fit=path, overrides=SMALL).fit
    fitted_to, _, held_out = fit.gains
    assert held_out.data.endswith("the images set aside")
    assert fitted_to.after.objects + held_out.after.objects == 10 + 4 + 4


def test_the_recipe_loads_with_the_same_layout_and_the_measured_coverage(fitted, cells):
    recipe = load_recipe(fitted.fit.recipe)
    before = load_recipe(RECIPE, SMALL)
    assert [len(level) for level in recipe.model.priors.shapes_unit] == [4]
    assert recipe.model.input == (96, 128)
    assert recipe.training == before.training
    again = singleshot.measure_coverage(fitted.fit.recipe, cells).coverage
    assert again.all == fitted.fit.coverage.all
    text = fitted.fit.recipe.read_text()
    assert "--fit" in text.splitlines()[1]


def test_a_network_with_fitted_priors_has_tensors_of_the_same_shapes(fitted):
    shapes = [
        {
            name: tensor.shape
            for name, tensor in build_detector(recipe.model, ["a"], pretrained=False)
            .state_dict()
            .items()
        }
        for recipe in (load_recipe(RECIPE, SMALL), load_recipe(fitted.fit.recipe))
    ]
    assert shapes[0] == shapes[1]


def test_the_recipe_of_a_shipped_one_is_based_on_it(cells, tmp_path):
    path = tmp_path / "cells.toml"
    result = singleshot.measure_coverage("ssdlite320-lite0", cells, fit=path)
    assert 'based_on = "ssdlite320-lite0"' in path.read_text()
    assert "40 x 40" in path.read_text()
    recipe = load_recipe(path)
    assert recipe.model.backbone == load_recipe("ssdlite320-lite0").model.backbone
    assert [len(level) for level in recipe.model.priors.shapes_unit] == [4, 6, 6, 6, 6, 6]
    assert result.fit.coverage.all.mean_best_iou > result.coverage.all.mean_best_iou


def test_fit_input_gives_the_input_the_shape_of_the_images(cells, tmp_path):
    square = {**SMALL, "model.input": [128, 128]}
    wide = {**square, "model.input": [64, 256]}
    for name, overrides in (("square", square), ("wide", wide)):
        path = tmp_path / f"{name}.toml"
        fit = singleshot.measure_coverage(
            RECIPE, cells, fit=path, fit_input=True, overrides=overrides
        ).fit
        assert load_recipe(path).model.input == fit.input
    # Images of 4 : 3: a square is near enough, 4 : 1 is not.
    assert load_recipe(tmp_path / "square.toml").model.input == (128, 128)
    assert load_recipe(tmp_path / "wide.toml").model.input == (128, 128)


def test_the_result_is_one_json_document(fitted):
    document = json.loads(json.dumps(fitted.to_json(), allow_nan=False))
    assert document["recall"] == fitted.coverage.all.recall
    assert document["fit"]["gains"][0]["after"]["objects"] == 10


def test_no_random_number_of_the_caller_is_used(cells):
    torch.manual_seed(1)
    expected = torch.rand(1)
    torch.manual_seed(1)
    singleshot.measure_coverage(RECIPE, cells, overrides=SMALL)
    assert torch.equal(torch.rand(1), expected)


def test_a_detector_without_priors_is_refused(cells):
    with pytest.raises(RecipeError, match="no priors that objects are matched to"):
        singleshot.measure_coverage("localizer", cells)


def test_priors_that_follow_a_rule_are_not_fitted(cells, tmp_path):
    with pytest.raises(RecipeError, match="follow a rule"):
        singleshot.measure_coverage("multibox", cells, fit=tmp_path / "a.toml")


def test_images_without_objects_are_refused(cells):
    (cells / "ImageSets/Main/empty.txt").write_text("train_5\n")
    with pytest.raises(DataError, match="no objects"):
        singleshot.measure_coverage(RECIPE, cells, split="empty", overrides=SMALL)


def test_an_input_is_fitted_only_into_a_recipe():
    with pytest.raises(SingleshotError, match="--fit OUT"):
        singleshot.measure_coverage(RECIPE, "cells", fit_input=True)
