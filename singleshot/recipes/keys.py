"""The keys that a recipe may have, and phrases for keys and values that it may not have."""

import difflib
from collections.abc import Iterable, Mapping
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from singleshot.recipes.schema import Recipe
from singleshot.settings import ByKind

__all__ = ["describe_problems", "recipe_keys"]

# What other programs call a key, and what has none.
_OTHER_NAMES = {
    "base_lr": "learning_rate",
    "bs": "batch_size",
    "ema": "average_decay",
    "image_size": "input",
    "img_size": "input",
    "imgsz": "input",
    "iterations": "steps",
    "lr": "learning_rate",
    "lr0": "learning_rate",
    "max_iter": "steps",
    "num_epochs": "epochs",
    "num_workers": "workers",
    "wd": "weight_decay",
}
_CLASSES = "the classes come from the data"
_NO_KEYS = {
    "classes": _CLASSES,
    "nc": _CLASSES,
    "num_classes": _CLASSES,
}

_NUMBER, _WHOLE_NUMBER = "expected a number", "expected a whole number"
# By pydantic's types of errors.
_EXPECTED = {
    "greater_than_equal": "expected at least {ge}",
    "greater_than": "expected more than {gt}",
    "less_than_equal": "expected at most {le}",
    "less_than": "expected less than {lt}",
    "float_type": _NUMBER,
    "float_parsing": _NUMBER,
    "finite_number": _NUMBER,
    "int_type": _WHOLE_NUMBER,
    "int_parsing": _WHOLE_NUMBER,
    "int_from_float": _WHOLE_NUMBER,
    "bool_type": "expected true or false",
    "bool_parsing": "expected true or false",
    "string_type": "expected text",
    "literal_error": "expected {expected}",
}


def recipe_keys() -> list[str]:
    """List the dotted keys that a recipe may have, without those that are tables."""
    keys = list(dict.fromkeys(_keys_of(Recipe)))
    tables = {key.rpartition(".")[0] for key in keys}
    return [key for key in keys if key not in tables]


def describe_problems(error: ValidationError) -> Iterable[str]:
    """Yield a phrase for each problem of a recipe: the key, the value, the remedy."""
    for problem in error.errors(include_url=False):
        keys = [str(part) for part in problem["loc"]]
        key = ".".join(keys)
        if problem["type"] == "extra_forbidden":
            yield f"unknown key {key!r}{_nearest_key(key)}"
        elif problem["type"] == "missing":
            yield f"{key} is missing"
        elif problem["type"] == "tuple_type":
            yield f"{key} = {problem['input']!r}: expected a list in brackets, such as [1, 2]"
        else:
            expected = _EXPECTED.get(problem["type"], "").format(**problem.get("ctx", {}))
            message = expected or problem["msg"].removeprefix("Value error, ")
            # A table is not repeated for one of its keys.
            value = "" if isinstance(problem["input"], Mapping) else f" = {problem['input']!r}"
            yield f"{key or 'recipe'}{value}: {message[0].lower()}{message[1:]}"


def _nearest_key(key: str) -> str:
    known = list(_keys_of(Recipe))
    if key in known:
        table = key.rpartition(".")[0]
        return f"; it belongs to a table [{table}] of another kind"
    table, _, last = key.rpartition(".")
    if last in _NO_KEYS:
        return f": {_NO_KEYS[last]}"
    last = _OTHER_NAMES.get(last, last)
    neighbours = [one for one in known if one.rpartition(".")[0] == table]
    for candidates in (neighbours, known):
        by_name = {one.rpartition(".")[2]: one for one in reversed(candidates)}
        if nearest := difflib.get_close_matches(last, by_name, n=1, cutoff=0.7):
            return f"; did you mean {by_name[nearest[0]]!r}?"
    return ""


def _keys_of(settings: type[BaseModel], prefix: str = "") -> Iterable[str]:
    """Yield all dotted keys that a recipe may have."""
    for name, field in settings.model_fields.items():
        yield prefix + name
        by_kind = [each for each in field.metadata if isinstance(each, ByKind)]
        tables = [table for each in by_kind for table in each.classes().values()]
        for table in tables or _tables_in(field.annotation):
            yield from _keys_of(table, f"{prefix}{name}.")


def _tables_in(annotation: Any) -> Iterable[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    elif get_origin(annotation) in {Union, UnionType, Annotated}:
        for part in get_args(annotation):
            yield from _tables_in(part)
