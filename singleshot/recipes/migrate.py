"""Recipe keys and values that earlier versions called otherwise.

A recipe file with an old name is refused with the new one; the recipe inside an older run folder or
checkpoint is migrated as it is loaded.

To rename a key: rename the field, add `"old.dotted.key": "new.dotted.key"` to RENAMED_KEYS (the new
key may lie in another table), add a case to tests/recipes/test_migrate.py and a line to
CHANGELOG.md. To rename a value: the same with RENAMED_VALUES, where `*` stands for every entry of a
list.
"""

from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import Any, NamedTuple

from singleshot.errors import RecipeError

__all__ = ["RENAMED_KEYS", "RENAMED_VALUES", "migrate", "require_current_names"]

RENAMED_KEYS: dict[str, str] = {
    "model.results.mirror": "model.results.flip_tta",
    "model.results.suppression": "model.results.nms",
    "model.results.clip_before_suppression": "model.results.clip_before_nms",
    "model.stages.machines_from": "model.stages.svms_from",
    "model.stages.machine_negative_iou": "model.stages.svm_negative_iou",
    "model.stages.machine_positive_weight": "model.stages.svm_positive_weight",
    "model.stages.machine_decay": "model.stages.svm_decay",
}

RENAMED_VALUES: dict[str, dict[str, str]] = {
    "model.backbone.layers.*.input": {"picture": "image"},
    "model.backbone.layers.*.inputs.*": {"picture": "image"},
}


class _Renaming(NamedTuple):
    """An old name that a recipe has, and the present one; both as `key` or `key = value`."""

    old: str
    new: str


def migrate(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return the tables of a recipe with every old key and value renamed."""
    migrated, _ = _renamed(content)
    return migrated


def require_current_names(content: Mapping[str, Any], source: str) -> None:
    """Raise RecipeError, with `source` and the present names, where a recipe has old ones."""
    _, renamings = _renamed(content)
    if renamings:
        changes = "; ".join(f"{old} is now {new}" for old, new in renamings)
        raise RecipeError(f"{source}: renamed since this recipe was written: {changes}")


def _renamed(content: Mapping[str, Any]) -> tuple[dict[str, Any], list[_Renaming]]:
    tables = deepcopy(dict(content))
    return tables, [*_rename_keys(tables), *_rename_values(tables)]


def _rename_keys(tables: dict[str, Any]) -> Iterator[_Renaming]:
    for old, new in RENAMED_KEYS.items():
        *above, key = old.split(".")
        for table, _ in _at(tables, above):
            if isinstance(table, dict) and key in table:
                _put(tables, new.split("."), table.pop(key))
                yield _Renaming(old, new)


def _rename_values(tables: dict[str, Any]) -> Iterator[_Renaming]:
    for path, values in RENAMED_VALUES.items():
        *above, last = path.split(".")
        for table, place in _at(tables, above):
            for value, key in _at(table, [last]):
                if isinstance(value, str) and value in values:
                    dotted = ".".join([*place, *key])
                    yield _Renaming(f'{dotted} = "{value}"', f'"{values[value]}"')
                    table[int(key[0]) if isinstance(table, list) else key[0]] = values[value]


def _at(content: Any, path: list[str]) -> Iterator[tuple[Any, list[str]]]:
    """Yield what lies at a path, and the keys that lead there; nothing where there is none."""
    if not path:
        yield content, []
        return
    entries: list[tuple[Any, Any]]
    if path[0] == "*":
        entries = list(enumerate(content)) if isinstance(content, list) else []
    else:
        has = isinstance(content, dict) and path[0] in content
        entries = [(path[0], content[path[0]])] if has else []
    for key, value in entries:
        for found, place in _at(value, path[1:]):
            yield found, [str(key), *place]


def _put(tables: dict[str, Any], path: list[str], value: object) -> None:
    *above, last = path
    for key in above:
        tables = tables.setdefault(key, {})
    tables.setdefault(last, value)
