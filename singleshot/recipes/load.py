"""Load recipes from TOML files with `key=value` overrides; errors name the key."""

from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from singleshot.backports import tomllib
from singleshot.errors import PluginError, RecipeError, near_names
from singleshot.families import DEFAULT_KIND
from singleshot.plugins import Extension, registered
from singleshot.recipes.keys import describe_problems
from singleshot.recipes.migrate import migrate, require_current_names
from singleshot.recipes.schema import Recipe
from singleshot.recipes.toml import parse_value, to_toml

__all__ = [
    "ABBREVIATIONS",
    "AUTO",
    "InitialWeights",
    "RecipeFile",
    "load_recipe",
    "load_run_recipe",
    "pairs",
    "preset_files",
    "recipe_files",
    "recipe_from",
    "recipe_text",
    "with_values",
]

# Two ways to set one thing: a recipe that sets the one drops what its base sets by the other.
_EXCLUSIVE = {"epochs": "steps", "steps": "epochs", "batch_size": "largest_batch"}

ABBREVIATIONS = {"batch": "training.batch_size"}
AUTO = "auto"  # in place of a recipe: one is chosen for the data

_BACKBONE_KIND = "model.backbone.kind"

InitialWeights = Literal["classifier", "detector", "known"]

# The table of values that each start adds to those of the start before it.
_FINE_TUNING: Mapping[InitialWeights, str] = {
    "detector": "fine_tuning",
    "known": "fine_tuning_known",
}


@dataclass(frozen=True)
class RecipeFile(Extension):
    """A recipe that a plugin ships."""

    name: str
    path: Path

    @property
    def key(self) -> str:
        """Name of the recipe on the command line."""
        return self.name


def recipe_files() -> dict[str, Path]:
    """List the recipes by name: the shipped ones, then those of plugins."""
    shipped = _toml_files(Path(str(resources.files("singleshot.recipes"))))
    of_plugins = {recipe.name: recipe.path for recipe in registered(RecipeFile)}
    if twice := shipped.keys() & of_plugins.keys():
        raise PluginError(
            f"a plugin names a recipe {min(twice)!r}, which is a shipped recipe's name"
        )
    return {**shipped, **of_plugins}


def preset_files() -> dict[str, Path]:
    """List the shipped presets by name."""
    return _toml_files(Path(str(resources.files("singleshot.recipes")), "presets"))


def _toml_files(folder: Path) -> dict[str, Path]:
    return {path.stem: path for path in sorted(folder.glob("*.toml"), key=lambda path: path.stem)}


def load_recipe(
    recipe: str | Path | Mapping[str, Any],
    overrides: Mapping[str, object] | Sequence[str] = (),
    *,
    start: InitialWeights = "classifier",
) -> Recipe:
    """Load a shipped recipe by name, or a TOML file, with `key=value` overrides.

    Args:
        recipe: a name, a file, or the content of one.
        overrides: values by dotted key, as a mapping or as texts.
        start: what the training starts from: "classifier"; "detector", which uses the table
            `fine_tuning` under the overrides; "known", a detector that knows all classes, which
            uses the table `fine_tuning_known` over that.

    Raises:
        RecipeError: names the file, the key, its value and what is allowed; a key that an earlier
            version called otherwise is refused with its present name.
    """
    if isinstance(recipe, Mapping):
        source, given = "the chosen recipe", deepcopy(dict(recipe))
    else:
        source, given = str(recipe), _read_toml(_find(recipe))
    given = _with_bases(given, (source,))
    content = _with_preset(with_values(given, overrides))
    loaded = recipe_from(content, source=source)
    by_start: dict[InitialWeights, Recipe] = {"classifier": loaded}
    for key, table in _FINE_TUNING.items():
        if values := content.get(table):
            given = _merged(given, values)
            tuned = _with_preset(with_values(given, overrides))
            # Also where it is not used: a mistake is found at once.
            loaded = recipe_from(tuned, source=f"{source}, with its table {table}")
        by_start[key] = loaded
    return by_start[start]


def with_values(
    content: Mapping[str, Any], overrides: Mapping[str, object] | Sequence[str]
) -> dict[str, Any]:
    """Copy the content of a recipe with these values by dotted key."""
    changed = deepcopy(dict(content))
    # The kind of a backbone empties its table, for the keys that come after it.
    for key, value in sorted(pairs(overrides), key=lambda pair: pair[0] != _BACKBONE_KIND):
        _put(changed, key, value)
    require_current_names(changed, "--set")  # those of the files are checked already
    return changed


def recipe_text(recipe: str | Path, *, full: bool = False) -> str:
    """Read a recipe as TOML, to begin one of your own with; RecipeError for an unknown one.

    Args:
        recipe: a shipped recipe's name, or a TOML file.
        full: write out every key with its default, instead of the file with its comments.
    """
    text = to_toml(load_recipe(recipe)) if full else _find(recipe).read_text(encoding="utf-8")
    return text.rstrip("\n")


def load_run_recipe(path: Path) -> Recipe:
    """Load the recipe that a run folder holds; names of earlier versions are migrated."""
    return recipe_from(_with_preset(_read_toml(path, of_run=True)), source=str(path))


def _with_preset(content: dict[str, Any]) -> dict[str, Any]:
    """Merge a recipe over its preset, if it has one; a preset sets the model of an SSD only."""
    path = preset_files().get(str(content.get("preset")))
    return content if path is None else _merged(_read_toml(path), content)


def _with_bases(content: dict[str, Any], chain: tuple[str, ...]) -> dict[str, Any]:
    """Merge a recipe over the recipe that it is based on."""
    base = content.pop("based_on", None)
    if base is None:
        return content
    if base in chain:
        raise RecipeError(f"{' based_on '.join([*chain, base])}: this is a circle")
    return _merged(_with_bases(_read_toml(_find(base)), (*chain, base)), content)


def _read_toml(path: Path, *, of_run: bool = False) -> dict[str, Any]:
    """Read a TOML file; old names are migrated in the recipe of a run, and refused in others."""
    try:
        # Merged over nothing, so that `batch_size = "auto"` is spelled out here, too.
        content = _merged({}, tomllib.loads(path.read_text(encoding="utf-8")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path}: not readable as TOML: {error}") from error
    if of_run or _is_of_run(path):
        return migrate(content)
    require_current_names(content, str(path))
    return content


def _is_of_run(path: Path) -> bool:
    """Return whether a TOML file is one that a run wrote, maybe of an earlier version."""
    beside = ("checkpoints", "training_state")
    return path.parent.name == "training_state" or (
        path.name == "recipe.toml" and any((path.parent / name).is_dir() for name in beside)
    )


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Merge two tables; values of `above` override those of `below`."""
    exclusive = {_EXCLUSIVE[key] for key in above if key in _EXCLUSIVE}
    whole = {key: value for key, value in below.items() if key not in exclusive}
    for key, value in (_spelled_out(*pair) for pair in above.items()):
        merges = isinstance(value, Mapping) and isinstance(whole.get(key), Mapping)
        if merges and not _is_of_another_kind(key, whole[key], value):
            whole[key] = _merged(whole[key], value)
        else:
            whole[key] = value
    return whole


def _is_of_another_kind(key: str, below: Mapping[str, Any], above: Mapping[str, Any]) -> bool:
    """Check whether a table of a kind is to be replaced: another kind's keys are unknown to it."""
    default = {"model": DEFAULT_KIND, "backbone": None}
    if key not in default or "kind" not in above:
        return False
    return bool(above["kind"] != below.get("kind", default[key] or above["kind"]))


def recipe_from(content: Mapping[str, Any], source: str) -> Recipe:
    """Build a recipe from parsed content, migrating old names; errors begin with `source`."""
    try:
        return Recipe.model_validate(migrate(content))
    except ValidationError as error:
        raise RecipeError(f"{source}: " + "; ".join(describe_problems(error))) from error


def _find(recipe: str | Path) -> Path:
    shipped = recipe_files()
    if str(recipe) in shipped:
        return shipped[str(recipe)]
    if Path(recipe).is_file():
        return Path(recipe)
    if str(recipe) == AUTO:
        raise RecipeError(
            f"{AUTO} is no recipe: `singleshot train {AUTO} --data DATA` chooses one for the data "
            f"and writes it to the run folder as {AUTO}.toml, which can be given here"
        )
    nearest = near_names(str(recipe), shipped)
    hint = f"\n  found:      {nearest}; did you mean one of these?" if nearest else ""
    raise RecipeError(
        f"no recipe {str(recipe)!r}\n"
        f"  looked for: a shipped recipe of this name, or a TOML file at this path{hint}\n"
        f"  do:         choose one; `singleshot models list` shows all"
    )


def pairs(overrides: Mapping[str, object] | Sequence[str]) -> Iterable[tuple[str, object]]:
    """Yield key and value of each override; RecipeError for a text without `=`."""
    if isinstance(overrides, Mapping):
        # A later key may change a table within a value, which belongs to the caller.
        yield from deepcopy(dict(overrides)).items()
        return
    for override in overrides:
        key, equals, text = override.partition("=")
        if not equals:
            raise RecipeError(f"--set {override}: expected key=value, such as training.epochs=10")
        yield key.strip(), parse_value(text.strip())


def _put(content: dict[str, Any], key: str, value: object) -> None:
    """Set a dotted key in nested tables."""
    *tables, last = ABBREVIATIONS.get(key, key).split(".")
    for table in tables:
        content = content.setdefault(table, {})
        if not isinstance(content, dict):
            raise RecipeError(f"--set {key}: {table!r} is a value and has no keys of its own")
    last, value = _spelled_out(last, value)
    content.pop(_EXCLUSIVE.get(last, ""), None)
    if key == _BACKBONE_KIND and content.get(last) != value:
        # Its table has other keys than that of another kind; these come after it.
        content.clear()
    content[last] = value


def _spelled_out(key: str, value: Any) -> tuple[str, Any]:
    """Replace `batch_size = "auto"` by `largest_batch = true`: the number stays."""
    return ("largest_batch", True) if (key, value) == ("batch_size", "auto") else (key, value)
