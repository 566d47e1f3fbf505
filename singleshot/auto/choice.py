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

    @property
    def is_given(self) -> bool:
        """True for a key that the user gave: it is not chosen."""
        return self.reason == GIVEN

    def __str__(self) -> str:
        """Write the choice as a line."""
        value = toml_value(self.value)
        if len(value) > LONGEST_VALUE:
            value = f"{value[: LONGEST_VALUE - 2]} …"
        return f"{self.key} = {value}: {self.reason}"


GIVEN = "given"
