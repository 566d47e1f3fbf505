"""Presets, and recipes that are based on others."""

import pytest

from singleshot.errors import RecipeError
from singleshot.recipes.load import load_recipe, preset_files, recipe_files
from singleshot.recipes.toml import to_toml


def test_the_paper_is_followed_to_the_letter():
    recipe = load_recipe("ssd300-vgg16")
    assert recipe.preset == "paper"
    assert recipe.model.matching.min_negatives == 0
    assert recipe.model.priors.whole_pixels
    assert recipe.model.priors.clip == "none"
    results = recipe.model.results
    assert (results.score_threshold, results.iou_threshold) == (0.01, 0.45)
    assert (results.top_k, results.keep) == (400, 200)
    assert len(recipe.augmentation.interpolations) == 5
    assert recipe.augmentation.crop.min_ious == (0.1, 0.3, 0.5, 0.7, 0.9, 0.0)
    training = recipe.training
    assert (training.learning_rate, training.momentum, training.weight_decay) == (1e-3, 0.9, 5e-4)
    assert training.bias_learning_rate == 2
    assert (training.schedule.kind, training.schedule.warm_up) == ("step", 0)
    steps = [round(training.steps * part) for part in training.schedule.milestones]
    assert (*steps, training.steps) == (80_000, 100_000, 120_000)


@pytest.mark.parametrize(
    ("name", "sizes", "steps"),
    [
        ("ssd300-vgg16-coco", [21, 45, 99, 153, 207, 261, 315], (280_000, 360_000, 400_000)),
        ("ssd512-vgg16-coco", [20, 51, 133, 215, 296, 378, 460, 542], (280_000, 360_000, 400_000)),
        ("ssd300-vgg16-voc12", [30, 60, 111, 162, 213, 264, 315], (80_000, 100_000, 120_000)),
        ("ssd512-vgg16", [35, 76, 153, 230, 307, 384, 460, 537], (80_000, 100_000, 120_000)),
    ],
)
def test_sizes_and_schedules_are_those_of_the_published_scripts(name, sizes, steps):
    recipe = load_recipe(name)
    side = recipe.model.input[0]
    assert [int(round(unit * side, 6)) for unit in recipe.model.priors.sizes_unit] == sizes
    training = recipe.training
    turns = [round(training.steps * part) for part in training.schedule.milestones]
    assert (*turns, training.steps) == steps


def test_a_recipe_can_change_its_preset():
    recipe = load_recipe("ssd300-vgg16", ["preset=modern"])
    assert recipe.preset == "modern"
    assert recipe.training.average_decay > 0
    assert recipe.model.matching.min_negatives > 0
    assert recipe.training.steps == 120_000


def test_values_of_the_recipe_come_before_its_preset():
    assert load_recipe("ssd300-vgg16", {"model.results.keep": 7}).model.results.keep == 7


@pytest.mark.parametrize("name", preset_files())
def test_a_preset_has_known_keys_alone(name):
    load_recipe("ssdlite320-lite0", {"preset": name})


def test_an_unknown_preset_is_named():
    with pytest.raises(RecipeError, match=r"preset = 'old'.*'paper', 'modern' or 'none'"):
        load_recipe("ssd300-vgg16", {"preset": "old"})


def test_a_recipe_based_on_another_has_what_differs(tmp_path):
    own = tmp_path / "own.toml"
    own.write_text('based_on = "ssd300-vgg16-coco"\n[training]\nepochs = 3\n')
    recipe = load_recipe(own)
    assert (recipe.training.epochs, recipe.training.steps) == (3, None)
    assert recipe.model == load_recipe("ssd300-vgg16-coco").model


def test_a_backbone_of_another_kind_replaces_that_of_the_base(tmp_path):
    own = tmp_path / "own.toml"
    own.write_text(
        'based_on = "ssd300-vgg16"\n'
        '[model.backbone]\nkind = "timm"\nname = "mobilenetv3_small_050"\nweights = "none"\n'
    )
    base = load_recipe("ssd300-vgg16").model
    model = load_recipe(own).model
    assert model.backbone.model_dump(exclude_defaults=True) == {
        "name": "mobilenetv3_small_050",
        "weights": "none",
    }
    assert model.priors == base.priors


def test_a_backbone_of_the_same_kind_changes_that_of_the_base(tmp_path):
    own = tmp_path / "own.toml"
    own.write_text(
        'based_on = "ssd300-vgg16"\n[model.backbone]\nkind = "vgg16"\nconv4_3 = "batch-norm"\n'
    )
    base = load_recipe("ssd300-vgg16").model.backbone
    assert load_recipe(own).model.backbone == base.model_copy(update={"conv4_3": "batch-norm"})


def test_a_model_of_another_kind_replaces_that_of_the_base(tmp_path):
    own = tmp_path / "own.toml"
    localizer = to_toml(load_recipe("localizer"))
    own.write_text(f'based_on = "ssd300-vgg16"\n{localizer}')
    assert load_recipe(own).model == load_recipe("localizer").model


def test_a_schedule_of_another_kind_keeps_the_keys_of_the_preset(tmp_path):
    own = tmp_path / "own.toml"
    own.write_text('based_on = "ssdlite320-lite0"\n[training.schedule]\nkind = "step"\n')
    assert load_recipe(own).training.schedule.warm_up == 100


def test_a_circle_is_an_error_not_a_hang(tmp_path):
    own = tmp_path / "own.toml"
    own.write_text(f'based_on = "{own.as_posix()}"\n')
    with pytest.raises(RecipeError, match="this is a circle"):
        load_recipe(own)


def test_a_base_that_is_not_there_is_named(tmp_path):
    own = tmp_path / "own.toml"
    own.write_text('based_on = "ssd300-vgg61"\n')
    with pytest.raises(RecipeError, match=r"(?s)'ssd300-vgg61'.*found: *'ssd300-vgg16'"):
        load_recipe(own)


def test_every_recipe_names_a_preset():
    assert all(load_recipe(name).preset != "none" for name in recipe_files())
