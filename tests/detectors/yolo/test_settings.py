"""Recipes of YOLO, and errors for invalid ones."""

import pytest

from singleshot.errors import RecipeError
from singleshot.recipes.load import load_recipe, recipe_from
from singleshot.recipes.toml import to_toml

TREE = "thing -1\ncell 0\nRBC 1\nwhite cell 1\n"


def test_one_weight_of_the_loss_leaves_the_others_as_they_are():
    weights = load_recipe("yolo-v2", {"model.weights.classes": 2.0}).model.weights
    assert (weights.classes, weights.objectness, weights.no_object) == (2, 5, 1)


def test_a_tree_from_a_file_is_in_the_recipe_from_then_on(tmp_path):
    path = tmp_path / "words.tree"
    path.write_text(TREE)
    recipe = load_recipe("yolo9000", {"model.tree": str(path)})
    path.unlink()
    written = tmp_path / "recipe.toml"
    written.write_text(to_toml(recipe))
    assert load_recipe(written) == recipe
    assert recipe.model.tree == ("thing -1", "cell 0", "RBC 1", "white cell 1")


@pytest.mark.parametrize(("recipe", "boxes"), [("yolo-v1", 98), ("yolo-v2", 845)])
def test_every_box_may_have_every_class_of_voc(recipe, boxes):
    """As darknet, which prints them all (examples/yolo.c, examples/detector.c)."""
    assert load_recipe(recipe).model.results.keep == 20 * boxes


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["thing"], "line 1, 'thing': expected a name and a number"),
        (["thing -1", "cell one"], "line 2, 'cell one': expected a name"),
        (["thing -1", "cell 1"], "line 2, 'cell 1': a parent is the number of a line above"),
        (["thing -1", "cell 99999999999999999999"], "a parent is the number of a line above"),
        (["thing -2"], "a parent is the number of a line above"),
        (["thing -1", "thing 0"], "two lines are named 'thing'"),
        (["a -1", "b -1", "c 0", "d 1", "e 0"], "'e' does not stand beside the others"),
    ],
)
def test_what_is_no_tree_is_refused_by_its_line(lines, message):
    with pytest.raises(RecipeError, match=message):
        load_recipe("yolo9000", {"model.tree": lines})


def test_a_tree_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(RecipeError, match=r"model.tree.*no-such.tree.*not readable as a tree"):
        load_recipe("yolo9000", {"model.tree": str(tmp_path / "no-such.tree")})


@pytest.mark.parametrize("mask", [[], [0, 0], [9], [-1]])
def test_masks_number_anchors_that_there_are(mask):
    with pytest.raises(RecipeError, match="masks"):
        load_recipe("yolo-v3", {"model.masks": [[0, 1, 2], [3, 4, 5], mask]})


@pytest.mark.parametrize(
    ("layers", "outputs", "message"),
    [
        ([{"layer": "shortcut", "other": -1}], [0], "layer 0 has the input -1, which is not above"),
        ([{"layer": "route", "layers": [0]}], [0], "layer 0 has the input 0, which is not above"),
        ([{"layer": "maxpool"}, {"layer": "route", "layers": [5]}], [0], "layer 1 has the input 5"),
        ([{"layer": "maxpool"}], [1], "outputs are numbers of layers, from 0 to 0"),
        ([{"layer": "maxpool"}], [], "outputs are numbers of layers"),
        ([], [], "name is extraction, darknet19, darknet53, or layers are given"),
    ],
)
def test_layers_take_what_is_above_them(layers, outputs, message):
    backbone = {"kind": "darknet", "name": "mine", "layers": layers, "outputs": outputs}
    content = {
        "model": {"kind": "yolo-v2", "input": [64, 64], "anchors": [[8, 8]], "backbone": backbone},
        "training": {"epochs": 1},
    }
    with pytest.raises(RecipeError, match=message):
        recipe_from(content, "mine.toml")
