import pytest

from singleshot.backports import tomllib
from singleshot.recipes.load import load_recipe, recipe_files
from singleshot.recipes.schema import Recipe
from singleshot.recipes.toml import differences, to_toml


@pytest.mark.parametrize("name", recipe_files())
def test_a_recipe_with_all_defaults_written_out_is_the_same_recipe(name):
    recipe = load_recipe(name)
    assert Recipe.model_validate(tomllib.loads(to_toml(recipe))) == recipe


def test_differences_name_what_changed():
    begun = load_recipe("ssdlite320-lite0")
    other = load_recipe("ssdlite320-lite0", {"training.seed": 5})
    assert differences(begun, begun) == []
    assert differences(begun, other) == ["training.seed: 0, 5"]
