# Tests singleshot/recipes/schema.py, singleshot/recipes/training.py

import pytest

from singleshot.errors import RecipeError
from singleshot.recipes.load import load_recipe, recipe_files


@pytest.mark.parametrize("name", recipe_files())
def test_shipped_recipes_open_with_their_command(name):
    lines = recipe_files()[name].read_text().splitlines()
    assert lines[0].startswith("# ")
    assert f"singleshot train {name} " in lines[1]


def test_values_are_set_as_toml_or_as_words():
    recipe = load_recipe(
        "ssdlite320-lite0",
        ["training.epochs=3", "model.input=[480, 360]", "model.backbone.name=resnet18"],
    )
    assert recipe.training.epochs == 3
    assert recipe.model.input == (480, 360)
    assert recipe.model.backbone.name == "resnet18"


def test_fine_tuning_has_its_own_values_under_those_of_set(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text(
        'based_on = "ssd300-vgg16"\n[fine_tuning.training]\nlearning_rate = 1e-4\nepochs = 3\n'
    )
    plain, tuned = (load_recipe(file, start=start).training for start in ("classifier", "detector"))
    assert plain.learning_rate == load_recipe("ssd300-vgg16").training.learning_rate
    assert (tuned.learning_rate, tuned.epochs, tuned.steps) == (1e-4, 3, None)
    changed = load_recipe(file, ["training.learning_rate=0.5"], start="detector")
    assert (changed.training.learning_rate, changed.training.epochs) == (0.5, 3)
    assert load_recipe(file, start="known").training == tuned
    with file.open("a") as more:
        more.write("[fine_tuning_known.training]\nlearning_rate = 1e-5\n")
    known = load_recipe(file, start="known").training
    assert (known.learning_rate, known.epochs) == (1e-5, 3)


def test_a_mistake_in_fine_tuning_is_found_without_it(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text('based_on = "ssd300-vgg16"\n[fine_tuning.training]\nrate = 1e-4\n')
    with pytest.raises(RecipeError, match=r"its table fine_tuning: unknown key 'training.rate'"):
        load_recipe(file)


def test_steps_take_the_place_of_epochs():
    recipe = load_recipe("ssdlite320-lite0", {"training.steps": 100})
    assert (recipe.training.epochs, recipe.training.steps) == (None, 100)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("training.epochs", "expected key=value"),
        ("training.epochs.more=1", "'epochs' is a value"),
    ],
)
def test_an_override_that_sets_no_key(override, message):
    with pytest.raises(RecipeError, match=message):
        load_recipe("ssdlite320-lite0", [override])


def test_priors_may_be_twice_the_input():
    sizes = [0.1, 0.2, 0.37, 0.54, 0.71, 0.88, 2.0]
    priors = load_recipe("ssdlite320-lite0", {"model.priors.sizes_unit": sizes}).model.priors
    assert priors.sizes_unit[-1] == 2


def test_an_unknown_recipe_names_the_nearest():
    with pytest.raises(RecipeError) as caught:
        load_recipe("ssd300-vgg19")
    first, looked_for, found, remedy = str(caught.value).splitlines()
    assert first == "no recipe 'ssd300-vgg19'"
    assert looked_for.startswith("  looked for: a shipped recipe of this name")
    assert found.startswith("  found:      'ssd300-vgg16' or 'ssd")
    assert remedy == "  do:         choose one; `singleshot models list` shows all"


def test_an_unknown_recipe_like_no_other_names_the_list():
    with pytest.raises(RecipeError, match=r"(?s)no recipe 'x'.*`singleshot models list` shows all"):
        load_recipe("x")


def test_a_file_that_is_no_toml(tmp_path):
    (tmp_path / "broken.toml").write_text("[model")
    with pytest.raises(RecipeError, match=r"broken\.toml: not readable as TOML"):
        load_recipe(tmp_path / "broken.toml")


def test_tables_among_the_overrides_stay_as_they_are():
    results = {"nms": "hard", "top_k": 60}
    changed = {"model.results": results, "model.results.flip_tta": True}
    assert load_recipe("ssdlite320-lite0", changed).model.results.flip_tta
    assert results == {"nms": "hard", "top_k": 60}
