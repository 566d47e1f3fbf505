"""Fill in the generated parts of pages: commands, options, recipes and their keys, metrics."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping
from itertools import groupby, takewhile
from typing import Any

from typer.main import get_command
from typer.testing import CliRunner

from singleshot import metrics
from singleshot.cli import app
from singleshot.comparison.options import ComparisonOptions, TutorialOptions
from singleshot.evaluation.options import EvaluationOptions, ScoreOptions
from singleshot.metrics import diagnosis
from singleshot.options import options_of
from singleshot.recipes.load import recipe_files, toml_value
from singleshot.recipes.schema import Recipe
from singleshot.training.options import TrainingOptions
from singleshot.tuning.options import TuningOptions

Schema = Mapping[str, Any]


def on_page_markdown(markdown: str, **_: object) -> str:
    """Replace the marks on a page; mkdocs calls this for each page."""
    for mark, generate in GENERATED.items():
        comment = f"<!-- generated: {mark} -->"
        if comment in markdown:
            markdown = markdown.replace(comment, "\n".join(generate()))
    return markdown


def commands() -> Iterator[str]:
    """Print the help text of every command."""
    yield from help_of(get_command(app), ())


def help_of(command: Any, names: tuple[str, ...]) -> Iterator[str]:
    """Print the help text of a command, and of its subcommands."""
    title = " ".join(["singleshot", *names])
    text = CliRunner().invoke(app, [*names, "--help"], prog_name="singleshot").stdout
    yield f"## {title}\n\n```text\n{text.strip()}\n```\n"
    for name, below in getattr(command, "commands", {}).items():
        yield from help_of(below, (*names, name))


def recipes() -> Iterator[str]:
    """Print the opening comment of every shipped recipe: what it is, its command, its result."""
    for name, path in recipe_files().items():
        lines = path.read_text(encoding="utf-8").splitlines()
        opening = takewhile(lambda line: line.startswith("#"), lines)
        text = "\n".join(line.removeprefix("# ") for line in opening)
        yield f"### {name}\n\n```text\n{text}\n```\n"


def keys() -> Iterator[str]:
    """Print a table of keys for every table of a recipe."""
    schema = Recipe.model_json_schema()
    yield from tables(schema, schema["$defs"], "")


def tables(schema: Schema, definitions: Mapping[str, Schema], name: str) -> Iterator[str]:
    """Print the keys of one table, then the tables inside it."""
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
    """List the tables that a key holds: one, one of several kinds, or a list of them."""
    places = [value, value.get("items", {})]
    places += [
        one for place in places for one in (*place.get("oneOf", ()), *place.get("anyOf", ()))
    ]
    found = [
        definitions[place["$ref"].rsplit("/", 1)[1]] if "$ref" in place else place
        for place in places
    ]
    return [table for table in found if "properties" in table]


def row(key: str, value: Schema, *, required: bool) -> str:
    """Print one key: its values, its default, its meaning."""
    default = "" if required else f"`{as_toml(value.get('default'))}`"
    return f"| `{key}` | {kind(value)} | {default} | {value.get('description', '')} |"


def as_toml(value: object) -> str:
    """Write a default as TOML."""
    return "not given" if value is None else toml_value(value)


def kind(value: Schema) -> str:
    """Describe the values of a key."""
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
    """Describe the limits of a number."""
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    return " and ".join(f"{sign} {value[key]:g}" for key, sign in signs.items() if key in value)


def options() -> Iterator[str]:
    """Print the options of each function that takes an options dataclass."""
    for name, kind in OPTIONS.items():
        rows = [
            f"| `{one.name}` | {'' if one.kind == 'callback' else f'`{one.flag}`'} | {one.help} |"
            for one in options_of(kind)
            if one.kind != "argument"
        ]
        yield f"### singleshot.{name}\n\n| argument | command line | meaning |\n|---|---|---|"
        yield "\n".join([*rows, ""])


def functions() -> Iterator[str]:
    """Print each public function and type of `singleshot.metrics`, module by module."""
    for package in (metrics, diagnosis):
        public = [value for name, value in vars(package).items() if not name.startswith("_")]
        own = [one for one in public if defined_in(package, one)]
        order = sorted(own, key=lambda one: (one.__module__, inspect.getsourcelines(one)[1]))
        for module, members in groupby(order, key=inspect.getmodule):
            yield from of_module(module, members)


def defined_in(package: Any, member: Any) -> bool:
    """Tell whether a function or class comes from a module of this very package."""
    documented = inspect.isroutine(member) or inspect.isclass(member)
    return documented and member.__module__.rpartition(".")[0] == package.__name__


def of_module(module: Any, members: Iterator[Any]) -> Iterator[str]:
    """Print the docstring of a module, then its functions and types in their order."""
    path = module.__name__.removeprefix("singleshot.")
    yield f"## {path}\n\n{as_markdown(module.__doc__)}\n"
    for member in members:
        yield f"### {member.__name__}\n\n```python\n{declaration(member)}\n```\n"
        yield f"{as_markdown(member.__doc__)}\n"


def declaration(member: Any) -> str:
    """Print a function's signature, or a class with its fields and the comments beside them."""
    head, _, rest = inspect.getsource(member).partition('"""')
    if not inspect.isclass(member):
        return head.rstrip()
    fields = re.split(r"\n\n    (?=def |@)", rest.partition('"""')[2])[0]
    return f"{head.rstrip()}\n" + fields.strip("\n")


def as_markdown(docstring: str) -> str:
    """Turn a docstring's arguments and errors into lists; the rest is Markdown already."""
    text = re.sub(r"^(Args|Returns|Raises):$", r"*\1:*\n", inspect.cleandoc(docstring), flags=re.M)
    return re.sub(r"^    (\w+): (?=\w)", r"- `\1`: ", text, flags=re.M)


OPTIONS = {
    "train": TrainingOptions,
    "evaluate": EvaluationOptions,
    "score": ScoreOptions,
    "compare": ComparisonOptions,
    "compare_with_tutorial": TutorialOptions,
    "tune": TuningOptions,
}
GENERATED = {
    "commands": commands,
    "options": options,
    "recipes": recipes,
    "keys": keys,
    "metrics": functions,
}
