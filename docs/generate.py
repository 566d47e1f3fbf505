"""Fills in, when the site is built, what the code itself knows: commands, recipes, their keys."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import takewhile
from typing import Any

from typer.main import get_command
from typer.testing import CliRunner

from singleshot.cli import app
from singleshot.recipes.load import recipe_files, toml_value
from singleshot.recipes.schema import Recipe

Schema = Mapping[str, Any]


def on_page_markdown(markdown: str, **_: object) -> str:
    """Replace the marks on a page; mkdocs calls this for each."""
    for mark, generate in GENERATED.items():
        place = f"<!-- generated: {mark} -->"
        if place in markdown:
            markdown = markdown.replace(place, "\n".join(generate()))
    return markdown


def commands() -> Iterator[str]:
    """The help text of every command."""
    yield from help_of(get_command(app), ())


def help_of(command: Any, names: tuple[str, ...]) -> Iterator[str]:
    """The help text of a command, and of those below it."""
    title = " ".join(["singleshot", *names])
    text = CliRunner().invoke(app, [*names, "--help"], prog_name="singleshot").stdout
    yield f"## {title}\n\n```text\n{text.strip()}\n```\n"
    for name, below in getattr(command, "commands", {}).items():
        yield from help_of(below, (*names, name))


def recipes() -> Iterator[str]:
    """The opening comment of every shipped recipe: what it is, its command, its result."""
    for name, path in recipe_files().items():
        lines = path.read_text(encoding="utf-8").splitlines()
        opening = takewhile(lambda line: line.startswith("#"), lines)
        text = "\n".join(line.removeprefix("# ") for line in opening)
        yield f"### {name}\n\n```text\n{text}\n```\n"


def keys() -> Iterator[str]:
    """A table of keys for every table a recipe may have."""
    schema = Recipe.model_json_schema()
    yield from tables(schema, schema["$defs"], "")


def tables(schema: Schema, definitions: Mapping[str, Schema], name: str) -> Iterator[str]:
    """The keys of one table, then the tables inside it."""
    inside = {key: tables_inside(value, definitions) for key, value in schema["properties"].items()}
    rows = [
        row(key, value, required=key in schema.get("required", ()))
        for key, value in schema["properties"].items()
        if not inside[key]
    ]
    if name:
        yield f"### `[{name}]`\n\n{schema.get('description', '')}\n"
    if rows:
        yield "\n".join(["| key | value | default | meaning |", "|---|---|---|---|", *rows, ""])
    for key, found in inside.items():
        for table in found:
            yield from tables(table, definitions, f"{name}.{key}" if name else key)


def tables_inside(value: Schema, definitions: Mapping[str, Schema]) -> list[Schema]:
    """The tables that a key holds: one, one of several kinds, or a list of them."""
    places = [value, value.get("items", {})]
    places += [
        one for place in places for one in (*place.get("oneOf", ()), *place.get("anyOf", ()))
    ]
    return [definitions[place["$ref"].rsplit("/", 1)[1]] for place in places if "$ref" in place]


def row(key: str, value: Schema, *, required: bool) -> str:
    """One key: what it takes, its default, its meaning."""
    default = "" if required else f"`{as_toml(value.get('default'))}`"
    return f"| `{key}` | {kind(value)} | {default} | {value.get('description', '')} |"


def as_toml(value: object) -> str:
    """A default as a recipe would write it."""
    return "not given" if value is None else toml_value(value)


def kind(value: Schema) -> str:
    """What a key takes, in words."""
    if "const" in value:
        return f"`{as_toml(value['const'])}`"
    if "enum" in value:
        return " or ".join(f"`{as_toml(choice)}`" for choice in value["enum"])
    if "anyOf" in value:
        return " or ".join(kind(part) for part in value["anyOf"] if part.get("type") != "null")
    if "prefixItems" in value:
        return f"[{', '.join(kind(part) for part in value['prefixItems'])}]"
    if value["type"] == "array":
        return f"list of {kind(value['items'])}"
    return f"{value['type']} {bounds(value)}".rstrip()


def bounds(value: Schema) -> str:
    """The limits of a number."""
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    return " and ".join(f"{sign} {value[key]:g}" for key, sign in signs.items() if key in value)


GENERATED = {"commands": commands, "recipes": recipes, "keys": keys}
