"""The recipe that was chosen, as an ordinary recipe file with the reason of each key."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from singleshot.auto.choice import RecipeChoice
from singleshot.recipes.load import load_recipe, with_values
from singleshot.recipes.schema import Recipe
from singleshot.recipes.toml import table_lines

__all__ = ["ChosenRecipe"]

LINE = 98  # characters of a comment


@dataclass(frozen=True)
class ChosenRecipe:
    """Content of a recipe file, and the choices in it."""

    content: Mapping[str, Any]
    choices: tuple[RecipeChoice, ...]
    about: tuple[str, ...] = ()  # data, start and machine, a line each
    remarks: tuple[str, ...] = ()  # on the whole, a line each

    @classmethod
    def of(
        cls, base: Mapping[str, Any], choices: Sequence[RecipeChoice], about: Sequence[str] = ()
    ) -> ChosenRecipe:
        """Put choices into the content of a recipe.

        What is given also takes the place of values for a start from a detector, as --set does.
        """
        chosen = with_values(base, {choice.key: choice.value for choice in choices})
        given = {choice.key: choice.value for choice in choices if choice.is_given}
        within = {
            f"{table}.{key}": value
            for table in ("fine_tuning", "fine_tuning_known")
            for key, value in given.items()
            if _has(chosen.get(table, {}), key)
        }
        return cls(with_values(chosen, within), tuple(choices), tuple(about))

    @cached_property
    def recipe(self) -> Recipe:
        """The recipe; raises RecipeError where what is given is impossible."""
        return load_recipe(self.content)

    def to_toml(self, command: str) -> str:
        """Write the file: the command and what was looked at, then the keys with their reasons."""
        opening = filter(None, (f"Chosen by: {command}", *self.about, *self.remarks))
        comments = {choice.key: textwrap.wrap(choice.reason, LINE) for choice in self.choices}
        lines = [f"# {line}" for line in opening for line in textwrap.wrap(line, LINE)]
        return "\n".join([*lines, *_spaced(table_lines(self.content, comments=comments))]) + "\n"


def _has(table: Mapping[str, Any], key: str) -> bool:
    """Return whether a dotted key is in nested tables."""
    inner: Any = table
    for part in key.split("."):
        if not isinstance(inner, Mapping) or part not in inner:
            return False
        inner = inner[part]
    return True


def _spaced(lines: Iterator[str] | Any) -> Iterator[str]:
    """Put an empty line before each table."""
    for line in lines:
        if line.startswith("["):
            yield ""
        yield line
