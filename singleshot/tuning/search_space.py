"""Which values a search chooses from: `key=low..high`, `key=low..high:log` or `key=a,b,c`.

What may be chosen is checked against the recipe's own schema, so that a mistake is found before the
first training and not in the middle of the tenth.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from singleshot.errors import RecipeError
from singleshot.recipes.load import SHORT, load_recipe, pairs, parse_value, toml_value
from singleshot.recipes.schema import Recipe

__all__ = ["Between", "OneOf", "SearchSpace", "Values", "default_space", "search_space", "value_at"]

FORMS = "key=low..high, key=low..high:log or key=a,b,c"
FEWEST_CHOICES = 2
AVERAGE_DECAYS = (0.0, 0.99, 0.995, 0.999)


@dataclass(frozen=True)
class Between:
    """A number of a range, both ends included."""

    low: float
    high: float
    log: bool = False
    whole: bool = False

    def __contains__(self, value: object) -> bool:
        """Whether it may be chosen."""
        return isinstance(value, int | float) and self.low <= value <= self.high

    @property
    def written(self) -> str:
        """As `--search` has it."""
        return f"{self.low}..{self.high}{':log' if self.log else ''}"

    def __str__(self) -> str:
        kind = ", in equal ratios" if self.log else ""
        return f"{self.low:g} to {self.high:g}{kind}"


@dataclass(frozen=True)
class OneOf:
    """One of several values of any type, written as TOML: stores keep text best."""

    choices: tuple[str, ...]

    @classmethod
    def of(cls, *values: object) -> OneOf:
        """Each once, in this order."""
        return cls(tuple(dict.fromkeys(map(toml_value, values))))

    def __contains__(self, value: object) -> bool:
        return toml_value(value) in self.choices

    @property
    def written(self) -> str:
        """As `--search` has it."""
        return ",".join(self.choices)

    def __str__(self) -> str:
        return ", ".join(self.choices)


Values = Between | OneOf
SearchSpace = Mapping[str, Values]


def default_space(recipe: Recipe) -> SearchSpace:
    """What is worth trying with any recipe, around what the recipe says."""
    settings, varied, model = recipe.training, recipe.augmentation, recipe.model
    suppression = model.results.iou_threshold
    space: dict[str, Values] = {
        "training.learning_rate": around(settings.learning_rate, 5),
        "training.weight_decay": around(settings.weight_decay or 1e-5, 10),
        "training.average_decay": OneOf.of(*sorted({settings.average_decay, *AVERAGE_DECAYS})),
        "model.results.iou_threshold": Between(min(0.3, suppression), max(0.7, suppression)),
        "augmentation.expand.probability": Between(0.0, 1.0),
        "augmentation.expand.up_to": Between(1.0, max(4.0, varied.expand.up_to)),
        "augmentation.crop.probability": Between(0.0, 1.0),
        "augmentation.flip": OneOf.of(*sorted({varied.flip, 0.0, 0.5})),
    }
    weights = model.searchable_weights()
    return space | {f"model.{key}": around(weight, 4) for key, weight in weights.items()}


def around(value: float, factor: float) -> Between:
    """Up to so many times as much or as little, in equal ratios."""
    return Between(value / factor, value * factor, log=True)


def search_space(
    recipe: str, overrides: Mapping[str, object] | Sequence[str], searches: Sequence[str]
) -> SearchSpace:
    """The values of each `--search`; with none, the default ones but for what is set.

    Raises RecipeError naming the key, the value and what is allowed.
    """
    fixed = {SHORT.get(key, key): value for key, value in pairs(overrides)}
    if not searches:
        whole = default_space(load_recipe(recipe, fixed))
        return {key: values for key, values in whole.items() if key not in fixed}
    space: dict[str, Values] = {}
    for search in searches:
        key, values = parse(search, lambda chosen: load_recipe(recipe, {**fixed, **chosen}))
        if key in fixed or key in space:
            other = "--set" if key in fixed else "another --search"
            raise RecipeError(f"--search {search}: {other} says what {key} is; leave one out")
        space[key] = values
    return space


def parse(
    search: str, load: Callable[[Mapping[str, object]], Recipe]
) -> tuple[str, Between | OneOf]:
    """One `--search`; `load` is a recipe with some values set, and refuses those not allowed."""
    key, equals, text = (part.strip() for part in search.partition("="))
    if not (key and equals and text):
        raise RecipeError(f"--search {search}: expected {FORMS}")
    key = SHORT.get(key, key)

    def checked(value: str) -> object:
        try:
            return value_at(load({key: parse_value(value)}), key)
        except RecipeError as error:
            raise RecipeError(f"--search {search}: {error}") from error

    low, dots, high = text.partition("..")
    if dots:
        return key, between(search, checked, low.strip(), high.strip())
    choices = [checked(choice) for choice in split_at_commas(text)]
    one_of = OneOf.of(*choices)
    if len(one_of.choices) < FEWEST_CHOICES:
        raise RecipeError(f"--search {search}: one value is no choice; fix it with --set")
    return key, one_of


def between(search: str, checked: Callable[[str], object], low: str, high: str) -> Between:
    """A range whose ends are allowed."""
    high, colon, kind = high.partition(":")
    if colon and kind != "log":
        raise RecipeError(f"--search {search}: {kind!r} after the colon; only 'log' is known")
    ends = [checked(low), checked(high)]
    numbers = [end for end in ends if isinstance(end, int | float) and not isinstance(end, bool)]
    if len(numbers) < len(ends):
        raise RecipeError(f"--search {search}: a range is of numbers; list the values, as in a,b,c")
    if numbers[0] >= numbers[1]:
        raise RecipeError(f"--search {search}: {low} is not below {high}; put the smaller first")
    if colon and numbers[0] <= 0:
        raise RecipeError(f"--search {search}: equal ratios never reach {low}; begin above 0")
    whole = all(isinstance(end, int) for end in numbers)
    return Between(numbers[0], numbers[1], log=bool(colon), whole=whole)


def split_at_commas(text: str) -> list[str]:
    """At those outside brackets: `[320, 320],[384, 384]` are two."""
    parts, depth = [""], 0
    for letter in text:
        depth += (letter in "[{") - (letter in "]}")
        if letter == "," and not depth:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts]


def value_at(recipe: Recipe, key: str) -> object:
    """What a recipe says at a dotted key that it has."""
    value: object = recipe.model_dump(mode="json")
    for part in key.split("."):
        assert isinstance(value, dict)
        value = value[part]
    return value
