import re

import pytest

from singleshot.backbones.settings import IMAGE
from singleshot.cli import main
from singleshot.errors import RecipeError
from singleshot.recipes import migrate as migrating
from singleshot.recipes.load import load_recipe, load_run_recipe, recipe_from
from singleshot.recipes.migrate import RENAMED_KEYS, RENAMED_VALUES, migrate
from singleshot.recipes.toml import to_toml

LAYERS = [
    {"name": "conv1", "operation": "convolution", "input": "picture", "channels": 8, "kernel": 3},
    {"name": "both", "operation": "concat", "inputs": ["picture", "conv1"]},
]
GRAPH = {"kind": "graph", "name": "small", "layers": LAYERS, "outputs": ["both"]}


@pytest.fixture
def renamed(monkeypatch):
    """`training.rate` and `training.flipped` of an earlier version have other names today."""
    names = {"training.rate": "training.learning_rate", "training.flipped": "augmentation.flip"}
    monkeypatch.setattr(migrating, "RENAMED_KEYS", names)


@pytest.fixture
def old_recipe(tmp_path):
    """A recipe file that was written by an earlier version."""
    current = to_toml(load_recipe("ssdlite320-lite0", {"training.learning_rate": 0.02}))
    old = re.sub(r"(?m)^learning_rate = .*$", "rate = 0.02\nflipped = 0.25", current, count=1)
    path = tmp_path / "recipe.toml"
    path.write_text(re.sub(r"(?m)^flip = .*\n", "", old))
    return path


@pytest.mark.usefixtures("renamed")
def test_a_recipe_file_with_an_old_key_is_refused_with_the_new_one(old_recipe):
    with pytest.raises(RecipeError) as caught:
        load_recipe(old_recipe)
    message = str(caught.value)
    assert message.startswith(f"{old_recipe}: ")
    assert "training.rate is now training.learning_rate" in message
    assert "training.flipped is now augmentation.flip" in message
    assert "\n" not in message


@pytest.mark.usefixtures("renamed")
def test_a_recipe_based_on_one_with_an_old_key_names_that_file(old_recipe, tmp_path):
    above = tmp_path / "above.toml"
    above.write_text(f'based_on = "{old_recipe}"\n')
    with pytest.raises(RecipeError, match=rf"^{re.escape(str(old_recipe))}: "):
        load_recipe(above)


@pytest.mark.usefixtures("renamed")
def test_an_old_key_on_the_command_line_is_refused_with_the_new_one(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["models", "show", "ssdlite320-lite0", "--set", "training.rate=0.02"])
    assert caught.value.code == 2
    assert "training.rate is now training.learning_rate" in capsys.readouterr().err


@pytest.mark.usefixtures("renamed")
def test_the_recipe_of_an_older_run_is_migrated(old_recipe):
    recipe = load_run_recipe(old_recipe)
    assert recipe.training.learning_rate == 0.02
    assert recipe.augmentation.flip == 0.25


@pytest.mark.usefixtures("renamed")
def test_the_recipe_of_an_older_run_begins_another(old_recipe):
    (old_recipe.parent / "checkpoints").mkdir()
    recipe = load_recipe(old_recipe, {"augmentation.flip": 0.5})
    assert (recipe.training.learning_rate, recipe.augmentation.flip) == (0.02, 0.5)
    with pytest.raises(RecipeError, match=r"--set: .*training\.rate is now"):
        load_recipe(old_recipe, {"training.rate": 0.1})
    file = old_recipe.rename(old_recipe.with_name("mine.toml"))
    with pytest.raises(RecipeError, match=r"training\.rate is now"):
        load_recipe(file)


@pytest.mark.usefixtures("renamed")
def test_the_recipe_of_an_older_checkpoint_is_migrated():
    stored = load_recipe("ssdlite320-lite0").model_dump(mode="json", exclude_none=True)
    stored["training"]["rate"] = stored["training"].pop("learning_rate") * 2
    changed = recipe_from(stored, source="best.safetensors")
    assert changed.training.learning_rate == stored["training"]["rate"]


def test_layers_that_took_the_picture_take_the_image():
    layers = migrate({"model": {"backbone": GRAPH}})["model"]["backbone"]["layers"]
    assert layers[0]["input"] == IMAGE
    assert layers[1]["inputs"] == [IMAGE, "conv1"]
    assert LAYERS[0]["input"] == "picture"


def test_suppression_of_an_older_run_is_nms(tmp_path):
    path = tmp_path / "recipe.toml"
    changes = {"model.results.nms": "soft", "model.results.clip_before_nms": True}
    current = to_toml(load_recipe("ssdlite320-lite0", changes))
    old = current.replace('nms = "soft"', 'suppression = "soft"')
    path.write_text(old.replace("clip_before_nms", "clip_before_suppression"))
    results = load_run_recipe(path).model.results
    assert (results.nms, results.clip_before_nms) == ("soft", True)
    with pytest.raises(RecipeError, match=r"results\.suppression is now model\.results\.nms"):
        load_recipe(path)


def test_mirror_of_an_older_run_is_flip_tta(tmp_path):
    path = tmp_path / "recipe.toml"
    current = to_toml(load_recipe("ssdlite320-lite0", {"model.results.flip_tta": True}))
    path.write_text(current.replace("flip_tta = true", "mirror = true"))
    assert load_run_recipe(path).model.results.flip_tta
    expected = "model.results.mirror is now model.results.flip_tta"
    with pytest.raises(RecipeError, match=expected):
        load_recipe(path)


def test_a_recipe_file_with_an_old_value_is_refused_with_the_new_one(tmp_path):
    path = tmp_path / "graph.toml"
    path.write_text('[model.backbone]\nlayers = [{name = "conv1", input = "picture"}]\n')
    expected = 'model.backbone.layers.0.input = "picture" is now "image"'
    with pytest.raises(RecipeError, match=re.escape(expected)):
        load_recipe(path)


def test_a_recipe_of_today_is_left_as_it_is():
    stored = load_recipe("ssd300-vgg16").model_dump(mode="json", exclude_none=True)
    assert migrate(stored) == stored


@pytest.mark.parametrize("new", RENAMED_KEYS.values())
def test_every_new_key_is_not_an_old_one_too(new):
    assert new not in RENAMED_KEYS


@pytest.mark.parametrize("values", RENAMED_VALUES.values())
def test_every_new_value_is_not_an_old_one_too(values):
    assert not set(values) & set(values.values())
