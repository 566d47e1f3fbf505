"""A choice: a key of the recipe, its value, and the reason."""

from __future__ import annotations

from dataclasses import dataclass

from singleshot.recipes.toml import toml_value

__all__ = ["RecipeChoice"]

LONGEST_VALUE = 60  # characters of a value in a line of the log


@dataclass(frozen=True)
class RecipeChoice:
    """A key of the recipe, its value, and the reason in a sentence with numbers."""

    key: str  # dotted, as in --set
    value: object  # as TOML has it: lists, not tuples
    reason: str
    is_given: bool = False  # by the user: it is not chosen

    @classmethod
    def of_user(cls, key: str, value: object) -> RecipeChoice:
        """Take what the user gave in place of a choice."""
        return cls(key, value, "given", is_given=True)

    def __str__(self) -> str:
        """Write the choice as a line."""
        value = toml_value(self.value)
        if len(value) > LONGEST_VALUE:
            value = f"{value[: LONGEST_VALUE - 2]} …"
        return f"{self.key} = {value}: {self.reason}"
