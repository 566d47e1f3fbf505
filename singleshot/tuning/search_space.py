"""Search space: `key=low..high`, `key=low..high:log` or `key=a,b,c` for each key.

Values are checked against the recipe's own schema before the first training.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from singleshot.errors import RecipeError
from singleshot.recipes.load import ABBREVIATIONS, load_recipe, pairs
from singleshot.recipes.schema import Recipe
from singleshot.recipes.toml import parse_value, toml_value

__all__ = [
    "Choices",
    "SearchSpace",
    "ValueRange",
    "Values",
    "default_space",
    "parse_search_space",
    "value_at",
]

FORMS = "key=low..high, key=low..high:log or key=a,b,c"
FEWEST_CHOICES = 2
AVERAGE_DECAYS = (0.0, 0.99, 0.995, 0.999)


@dataclass(frozen=True)
class ValueRange:
    """A range of numbers, both ends included."""

    low: float
    high: float
    log: bool = False
    whole: bool = False

    def __contains__(self, value: object) -> bool:
        """Test that a value lies in the range."""
        return isinstance(value, int | float) and self.low <= value <= self.high

    @property
    def text(self) -> str:
        """The values in the syntax of `--search`."""
        return f"{self.low}..{self.high}{':log' if self.log else ''}"

    def __str__(self) -> str:
        kind = ", logarithmic" if self.log else ""
        return f"{self.low:g} to {self.high:g}{kind}"


@dataclass(frozen=True)
class Choices:
    """Several values of any type, written as TOML because the store takes text."""

    choices: tuple[str, ...]

    @classmethod
    def of(cls, *values: object) -> Choices:
        """Make choices of values, each once, in this order."""
        return cls(tuple(dict.fromkeys(map(toml_value, values))))

    def __contains__(self, value: object) -> bool:
        return toml_value(value) in self.choices

    @property
    def text(self) -> str:
        """The values in the syntax of `--search`."""
        return ",".join(self.choices)

    def __str__(self) -> str:
        return ", ".join(self.choices)


Values = ValueRange | Choices
SearchSpace = Mapping[str, Values]


def default_space(recipe: Recipe) -> SearchSpace:
    """Return ranges around the recipe's values of nine keys that suit any recipe."""
    settings, augmentation, model = recipe.training, recipe.augmentation, recipe.model
    nms_iou = model.results.iou_threshold
    space: dict[str, Values] = {
        "training.learning_rate": _around(settings.learning_rate, 5),
        "training.weight_decay": _around(settings.weight_decay or 1e-5, 10),
        "training.average_decay": Choices.of(*sorted({settings.average_decay, *AVERAGE_DECAYS})),
        "model.results.iou_threshold": ValueRange(min(0.3, nms_iou), max(0.7, nms_iou)),
        "augmentation.expand.probability": ValueRange(0.0, 1.0),
        "augmentation.expand.up_to": ValueRange(1.0, max(4.0, augmentation.expand.up_to)),
        "augmentation.crop.probability": ValueRange(0.0, 1.0),
        "augmentation.flip": Choices.of(*sorted({augmentation.flip, 0.0, 0.5})),
    }
    weights = model.searchable_weights()
    return space | {f"model.{key}": _around(weight, 4) for key, weight in weights.items()}


def _around(value: float, factor: float) -> ValueRange:
    """Return a logarithmic range from `value / factor` to `value * factor`."""
    return ValueRange(value / factor, value * factor, log=True)


def parse_search_space(
    recipe: str, overrides: Mapping[str, object] | Sequence[str], searches: Sequence[str]
) -> SearchSpace:
    """Parse the values of each `--search`; default: `default_space` without the keys that are set.

    Raises RecipeError naming the key, the value and what is allowed.
    """
    fixed = {ABBREVIATIONS.get(key, key): value for key, value in pairs(overrides)}
    if not searches:
        whole = default_space(load_recipe(recipe, fixed))
        return {key: values for key, values in whole.items() if key not in fixed}
    space: dict[str, Values] = {}
    for search in searches:
        key, values = _parse(search, lambda chosen: load_recipe(recipe, {**fixed, **chosen}))
        if key in fixed or key in space:
            other = "--set" if key in fixed else "another --search"
            raise RecipeError(f"--search {search}: {other} already sets {key}; leave one out")
        space[key] = values
    return space


def _parse(search: str, load: Callable[[Mapping[str, object]], Recipe]) -> tuple[str, Values]:
    """Parse one `--search`; `load` makes a recipe with some values set, or raises RecipeError."""
    key, equals, text = (part.strip() for part in search.partition("="))
    if not (key and equals and text):
        raise RecipeError(f"--search {search}: expected {FORMS}")
    key = ABBREVIATIONS.get(key, key)

    def checked(value: str) -> object:
        try:
            return value_at(load({key: parse_value(value)}), key)
        except RecipeError as error:
            raise RecipeError(f"--search {search}: {error}") from error

    low, dots, high = text.partition("..")
    if dots:
        return key, _parse_range(search, checked, low.strip(), high.strip())
    choices = [checked(choice) for choice in _split_at_commas(text)]
    several = Choices.of(*choices)
    if len(several.choices) < FEWEST_CHOICES:
        raise RecipeError(f"--search {search}: one value is no choice; use --set for it")
    return key, several


def _parse_range(search: str, checked: Callable[[str], object], low: str, high: str) -> ValueRange:
    """Parse a range, and check both ends."""
    high, colon, kind = high.partition(":")
    if colon and kind != "log":
        raise RecipeError(f"--search {search}: {kind!r} after the colon; only 'log' is known")
    ends = [checked(low), checked(high)]
    numbers = [end for end in ends if isinstance(end, int | float) and not isinstance(end, bool)]
    if len(numbers) < len(ends):
        raise RecipeError(f"--search {search}: a range needs numbers; list the values, as in a,b,c")
    if numbers[0] >= numbers[1]:
        raise RecipeError(f"--search {search}: {low} is not below {high}; put the smaller first")
    if colon and numbers[0] <= 0:
        raise RecipeError(f"--search {search}: a logarithmic range starts above 0, not at {low}")
    whole = all(isinstance(end, int) for end in numbers)
    return ValueRange(numbers[0], numbers[1], log=bool(colon), whole=whole)


def _split_at_commas(text: str) -> list[str]:
    """Split at commas outside brackets: `[320, 320],[384, 384]` has two parts."""
    parts, depth = [""], 0
    for letter in text:
        depth += (letter in "[{") - (letter in "]}")
        if letter == "," and not depth:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts]


def value_at(recipe: Recipe, key: str) -> object:
    """Return the recipe's value of a dotted key."""
    value: object = recipe.model_dump(mode="json")
    for part in key.split("."):
        assert isinstance(value, dict)
        value = value[part]
    return value
