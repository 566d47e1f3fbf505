"""Parsing and checking search spaces."""

from __future__ import annotations

import pytest

from singleshot.errors import RecipeError
from singleshot.recipes.load import load_recipe
from singleshot.tuning.search_space import (
    Choices,
    ValueRange,
    default_space,
    parse_search_space,
    value_at,
)

LITE = "ssdlite320-lite0"


@pytest.mark.parametrize(
    ("search", "key", "values"),
    [
        (
            "training.learning_rate=0.001..0.1:log",
            "training.learning_rate",
            ValueRange(0.001, 0.1, log=True),
        ),
        ("training.learning_rate=1..2", "training.learning_rate", ValueRange(1.0, 2.0)),
        ("training.batch_size=4..16", "training.batch_size", ValueRange(4, 16, whole=True)),
        ("batch=4,8", "training.batch_size", Choices(("4", "8"))),
        ("augmentation.flip=0,0.5", "augmentation.flip", Choices(("0.0", "0.5"))),
        (
            "model.loss.localization=smooth-l1,giou",
            "model.loss.localization",
            Choices(('"smooth-l1"', '"giou"')),
        ),
        ("model.input=[320,320],[384, 384]", "model.input", Choices(("[320, 320]", "[384, 384]"))),
        ("training.compile=true,false", "training.compile", Choices(("true", "false"))),
    ],
)
def test_forms_and_types(search, key, values):
    assert parse_search_space(LITE, [], [search]) == {key: values}


@pytest.mark.parametrize(
    ("search", "message"),
    [
        ("training.learning_rte=1..2", "did you mean 'training.learning_rate'?"),
        ("training.learning_rate=-1..2", "learning_rate = -1: expected more than 0"),
        ("training.batch_size=1.5..3", "batch_size = 1.5: expected a whole number"),
        ("model.loss.localization=l1,giou", "'l1': there are smooth-l1, giou, diou, ciou"),
        ("training.compile=false..true", "a range needs numbers; list the values"),
        ("training.learning_rate=0.1..0.01", "0.1 is not below 0.01"),
        ("training.weight_decay=0..1:log", "a logarithmic range starts above 0"),
        ("training.weight_decay=0.1..1:lin", "only 'log' is known"),
        ("training.weight_decay=1", "one value is no choice"),
        ("augmentation.flip=0,0.0", "one value is no choice"),
        ("training.weight_decay", "expected key=low..high"),
        ("model=1,2", "model = 1: expected a table"),
        ("training.epochs=1..2", "--set already sets training.epochs"),
    ],
)
def test_a_refused_search_names_the_value_and_the_remedy(search, message):
    with pytest.raises(RecipeError) as raised:
        parse_search_space(LITE, ["training.epochs=3"], [search])
    assert str(raised.value).startswith(f"--search {search}: ")
    assert message in str(raised.value)


def test_a_key_is_searched_once():
    with pytest.raises(RecipeError, match="another --search already sets"):
        parse_search_space(LITE, [], ["training.batch_size=4,8", "batch=4..8"])


@pytest.mark.parametrize("recipe", ["ssd300-vgg16", "ssd321-resnet101", LITE])
def test_the_default_space_has_every_recipe_in_it_and_nothing_that_is_not_allowed(recipe):
    start = load_recipe(recipe)
    for key, values in default_space(start).items():
        assert value_at(start, key) in values
        ends = values.choices if isinstance(values, Choices) else (values.low, values.high)
        for end in ends:
            load_recipe(recipe, [f"{key}={end}"])


def test_keys_that_are_set_are_not_searched():
    whole = parse_search_space(LITE, [], [])
    rest = parse_search_space(LITE, ["augmentation.flip=0.5"], [])
    assert len(whole) == 9
    assert set(whole) - set(rest) == {"augmentation.flip"}


def test_a_space_written_as_options_is_the_same_space():
    whole = parse_search_space(LITE, [], [])
    options = [f"{key}={values.text}" for key, values in whole.items()]
    assert parse_search_space(LITE, [], options) == whole
