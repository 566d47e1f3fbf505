"""Recipes and their values as TOML, and what two recipes differ in."""

import json
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from singleshot.backports import tomllib
from singleshot.recipes.schema import Recipe

__all__ = ["differences", "flat", "parse_value", "table_lines", "to_toml", "toml_value"]


def parse_value(text: str) -> object:
    """Parse a value as TOML; anything else is a string, so that names need no quotes."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def differences(recipe: Recipe, other: Recipe) -> list[str]:
    """List the keys in which two recipes differ, as "key: this, other"."""
    ours, theirs = flat(recipe.model_dump()), flat(other.model_dump())
    return [
        f"{key}: {ours.get(key)}, {theirs.get(key)}"
        for key in {**ours, **theirs}
        if ours.get(key) != theirs.get(key)
    ]


def flat(table: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Flatten nested tables to dotted keys."""
    values: dict[str, Any] = {}
    for key, value in table.items():
        if isinstance(value, dict):
            values |= flat(value, f"{prefix}{key}.")
        else:
            values[prefix + key] = value
    return values


def to_toml(recipe: Recipe) -> str:
    """Write a recipe as TOML with every default; it loads to an equal recipe."""
    return "\n".join(table_lines(recipe.model_dump(mode="json", exclude_none=True))) + "\n"


def table_lines(
    table: Mapping[str, Any],
    name: str = "",
    comments: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> Iterable[str]:
    """Yield the lines of a table and of those within it, with comments above some dotted keys."""
    values = {key: value for key, value in table.items() if not isinstance(value, dict)}
    if values and name:
        yield f"[{name}]"
    for key, value in values.items():
        dotted = f"{name}.{key}" if name else key
        yield from (f"# {line}" for line in comments.get(dotted, ()))
        yield f"{key} = {toml_value(value)}"
    for key, value in table.items():
        if isinstance(value, dict):
            yield from table_lines(value, f"{name}.{key}" if name else key, comments)


def toml_value(value: Any) -> str:
    """Write a value as TOML."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {toml_value(part)}" for key, part in value.items()) + "}"
    if isinstance(value, list) and any(isinstance(part, dict) for part in value):
        return "[\n" + "".join(f"    {toml_value(part)},\n" for part in value) + "]"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml_value, value)) + "]"
    # JSON writes booleans, numbers and strings as TOML does.
    return json.dumps(value)
