"""Pages of the shipped recipes, one each, and of the keys of recipes, each table once."""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from itertools import takewhile
from typing import Any

import torch

from singleshot.detectors.common.settings import DetectorSettings
from singleshot.families import build_detector, families
from singleshot.models.listing import NUM_CLASSES, RecipeSummary, list_recipes
from singleshot.models.summary import numbered_classes
from singleshot.recipes.load import load_recipe
from singleshot.recipes.schema import Recipe
from singleshot.recipes.toml import to_toml, toml_value

__all__ = ["common_keys", "key_pages", "recipe_pages", "recipe_table"]

Schema = Mapping[str, Any]

RECIPES, KEYS = "reference/recipes", "reference/recipe-keys"
COMMON = f"{KEYS}.md"
SHARED = f"{KEYS}/shared.md"


def recipe_table() -> Iterator[str]:
    """List the shipped recipes with their sizes; the names lead to their pages."""
    yield "| recipe | detector | input | boxes | parameters |\n|---|---|---|---|---|"
    for recipe in by_family():
        link = f"[`{recipe.name}`]({relative(page_of(recipe), f'{RECIPES}.md')})"
        yield f"| {link} | {recipe.about.rstrip('.')} | {sizes(recipe)} |"


def by_family() -> list[RecipeSummary]:
    """List the recipes in the order of the families, SSDs first."""
    order = [family.kind for family in families()]
    return sorted(list_recipes(), key=lambda one: order.index(load_recipe(one.name).model.kind))


def sizes(recipe: RecipeSummary) -> str:
    """Print the cells of a recipe's input, boxes and parameters."""
    return f"{by(recipe.input)} | {recipe.num_boxes:,} | {recipe.parameters / 1e6:.2f} M"


def by(sides: Sequence[float]) -> str:
    """Print (down, across) as in 38 × 38."""
    return "\N{NO-BREAK SPACE}×\N{NO-BREAK SPACE}".join(f"{side:g}" for side in sides)


def number(value: float | tuple[float, float]) -> str:
    """Print a number of a level, or its (down, across)."""
    return by(value) if isinstance(value, tuple) else f"{value:,}"


def recipe_pages() -> dict[str, str]:
    """Write a page for each shipped recipe: what it is, its levels, its file, all of its keys."""
    return {page_of(recipe): "\n".join(recipe_page(recipe)) for recipe in by_family()}


def page_of(recipe: RecipeSummary) -> str:
    """Return the path of a recipe's page."""
    return f"{RECIPES}/{recipe.name}.md"


def recipe_page(recipe: RecipeSummary) -> Iterator[str]:
    """Write the page of a recipe."""
    settings, page = load_recipe(recipe.name), page_of(recipe)
    lines = recipe.path.read_text(encoding="utf-8").splitlines()
    opening = list(takewhile(lambda line: line.startswith("#"), lines))
    yield f"# {recipe.name}\n\n{recipe.about}\n"
    yield from comment([line.removeprefix("#").removeprefix(" ") for line in opening[1:]])
    yield f"## Size\n\nWith {NUM_CLASSES} classes:\n"
    yield "| input | boxes | parameters | preset |\n|---|---|---|---|"
    yield f"| {sizes(recipe)} | `{recipe.preset}` |\n"
    yield from levels(settings.model)
    yield "## File\n\nThe preset and the defaults fill in what it does not set.\n"
    yield from block("toml", "\n".join(lines[len(opening) :]).strip())
    of_model = relative(page_of_kind(settings.model.kind), page)
    yield "## All keys\n\nWritten out, as the `recipe.toml` of a run has them. What they mean:"
    yield f"[`[model]`]({of_model}), [the others]({relative(COMMON, page)}).\n"
    yield '??? note "recipe.toml"\n'
    for line in block("toml", to_toml(settings).strip()):
        yield re.sub("^(?=.)", "    ", line, flags=re.MULTILINE)


def block(language: str, text: str) -> Iterator[str]:
    """Fence a block of code."""
    yield f"```{language}\n{text}\n```\n"


def comment(lines: Sequence[str]) -> Iterator[str]:
    """Turn the comment that opens a recipe into paragraphs and blocks of commands."""
    prose: list[str] = []
    commands: list[str] = []
    for line in [*lines, ""]:
        if commands and not line.startswith("  "):
            yield from block("sh", "\n".join(commands))
            commands.clear()
        if prose and (line.startswith("  ") or not line):
            yield from paragraphs(" ".join(prose))
            prose.clear()
        (commands if line.startswith("  ") else prose).append(line.strip())


def paragraphs(text: str) -> Iterator[str]:
    """Begin a paragraph with what to expect, and link to pages."""
    text = re.sub(r"docs/(\S+/([\w-]+)\.md)", r"[\2](../../\1)", text)
    for part in re.split(r"(?=\bExpect:|\bA small one)", text):
        if part.strip():
            yield f"{part.strip()}\n"


def levels(settings: DetectorSettings) -> Iterator[str]:
    """Print the feature maps with their priors, where the detector has them."""
    rows = level_rows(settings.model_dump_json())
    if rows:
        heads = [name.replace("_", " ") for name in rows[0]]
        yield f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}"
        for row in rows:
            yield f"| {' | '.join(map(number, row.values()))} |"
        yield ""


@cache
def level_rows(settings: str) -> list[dict[str, Any]]:
    """Describe the levels of the detector that these settings build, without memory for weights."""
    kind = {family.kind: family.settings for family in families()}[json.loads(settings)["kind"]]
    with torch.device("meta"):
        names = numbered_classes(NUM_CLASSES)
        detector = build_detector(kind.model_validate_json(settings), names, pretrained=False)
    return [asdict(level) for level in detector.level_summaries()]


@dataclass
class Table:
    """A table of keys, and where recipes have it."""

    schema: Schema
    names: list[str] = field(default_factory=list)  # dotted
    kinds: list[str] = field(default_factory=list)  # of detectors, where it is part of `model`
    is_list: bool = False

    @property
    def kind(self) -> str:
        """The value of the key that names this kind of table; empty where there is one kind."""
        const = [value["const"] for value in self.schema["properties"].values() if "const" in value]
        return str(const[0]) if const else ""

    @property
    def page(self) -> str:
        """The page that it is printed on."""
        pages = {page_of_kind(kind) for kind in self.kinds} or {COMMON}
        return pages.pop() if len(pages) == 1 else SHARED

    @property
    def anchor(self) -> str:
        """Where it is on its page."""
        return re.sub(r"[^\w-]", "-", "-".join(filter(None, [self.names[0], self.kind])))

    @property
    def title(self) -> str:
        """Its name and kind."""
        name = f"`[{self.names[0]}]`" + (" (list)" if self.is_list else "")
        return f"{name} of kind `{self.kind}`" if self.kind else name


def page_of_kind(kind: str) -> str:
    """Return the page on the keys of a kind of detector: one for each package of families."""
    return f"{KEYS}/{packages()[kind].replace('_', '-')}.md"


def packages() -> dict[str, str]:
    """Map each kind of detector to its package."""
    return {one.kind: one.settings.__module__.split(".")[-2] for one in families()}


def common_keys() -> Iterator[str]:
    """Print the tables that every recipe has."""
    found = tables()
    for table in found.values():
        if table.page == COMMON:
            yield from of_table(table, found)


def key_pages() -> dict[str, str]:
    """Write the pages of the keys of detectors, and of those that several of them have."""
    found = tables()
    inside: dict[str, list[Table]] = {page_of_kind(kind): [] for kind in packages()}
    for table in found.values():
        inside.setdefault(table.page, []).append(table)
    del inside[COMMON]
    return {
        page: "\n".join(
            [title_of(page, some), *(part for one in some for part in of_table(one, found))]
        )
        for page, some in inside.items()
    }


def title_of(page: str, inside: Sequence[Table]) -> str:
    """Print the title of a page of keys."""
    if page == SHARED:
        return "# Keys of several detectors: backbones, pixels, results\n"
    kinds = [table.kind for table in inside if table.names == ["model"]]
    return f"# Keys of {', '.join(kinds)}\n"


def tables() -> dict[str, Table]:
    """Find the tables of a recipe, each with all of its places, by their content."""
    schema = Recipe.model_json_schema()
    found: dict[str, Table] = {}

    def walk(table: Schema, name: str, kind: str, *, is_list: bool) -> None:
        entry = found.setdefault(content_of(table), Table(table, is_list=is_list))
        entry.names += [name] if name not in entry.names else []
        entry.kinds += [kind] if kind and kind not in entry.kinds else []
        for key, value in table["properties"].items():
            for inside in tables_inside(value, schema["$defs"]):
                of_kind = inside["properties"]["kind"]["const"] if name + key == "model" else kind
                walk(inside, f"{name}.{key}" if name else key, of_kind, is_list="items" in value)

    walk(schema, "", "", is_list=False)
    return found


def content_of(table: Schema) -> str:
    """Identify a table by all that is printed of it."""
    return json.dumps(table, sort_keys=True)


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


def of_table(table: Table, found: Mapping[str, Table]) -> Iterator[str]:
    """Print a table of keys, with links to the tables inside it."""
    definitions = Recipe.model_json_schema()["$defs"]
    if table.names[0]:
        yield f"## {table.title} {{ #{table.anchor} }}\n\n{table.schema.get('description', '')}\n"
    if table.names[1:]:
        yield f"Also {' and '.join(f'`{name}`' for name in table.names[1:])}.\n"
    yield "| key | meaning |\n|---|---|"
    for key, value in table.schema["properties"].items():
        inside = [found[content_of(one)] for one in tables_inside(value, definitions)]
        if inside:
            values = " or ".join(link_to(one, table.page) for one in inside)
        else:
            values = with_default(value, required=key in table.schema.get("required", ()))
        meaning = [value["description"]] if "description" in value else []
        yield f"| `{key}` | {'<br>'.join([*meaning, values])} |"
    yield ""


def link_to(table: Table, page: str) -> str:
    """Link from a page to a table."""
    text = f"`{table.kind}`" if table.kind else table.title
    return f"[{text}]({relative(table.page, page)}#{table.anchor})"


def relative(page: str, beside: str) -> str:
    """Return the path from one page to another."""
    return posixpath.relpath(page, posixpath.dirname(beside))


def with_default(value: Schema, *, required: bool) -> str:
    """Print the values of a key, and its default."""
    default = "required" if required else f"default `{as_toml(value.get('default'))}`"
    return kind_of(value) if "const" in value else f"{kind_of(value)}; {default}"


def as_toml(value: object) -> str:
    """Write a default as TOML."""
    return "not given" if value is None else toml_value(value)


def kind_of(value: Schema) -> str:
    """Describe the values of a key."""
    if "const" in value:
        return f"`{as_toml(value['const'])}`"
    if "enum" in value:
        return " or ".join(f"`{as_toml(choice)}`" for choice in value["enum"])
    if "anyOf" in value:
        return " or ".join(kind_of(part) for part in value["anyOf"] if part.get("type") != "null")
    if "prefixItems" in value:
        return f"[{', '.join(kind_of(part) for part in value['prefixItems'])}]"
    if value["type"] == "array":
        return f"list of {kind_of(value['items'])}"
    return f"{value['type']} {bounds(value)}".rstrip()


def bounds(value: Schema) -> str:
    """Describe the limits of a number."""
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    return " and ".join(f"{sign} {value[key]:g}" for key, sign in signs.items() if key in value)
