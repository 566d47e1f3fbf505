"""Public names are imported when they are first used, from where type checkers find them."""

# Tests singleshot/__init__.py

from __future__ import annotations

import ast
from pathlib import Path

import singleshot


def test_names_are_loaded_from_where_type_checkers_find_them():
    tree = ast.parse(Path(singleshot.__file__).read_text())
    block = next(one for one in tree.body if isinstance(one, ast.If))
    imported = {
        (f"singleshot.{module}", name)
        for module, names in singleshot._MODULES.items()
        for name in names
    }
    assert imported == {
        (one.module, alias.name)
        for one in block.body
        if isinstance(one, ast.ImportFrom)
        for alias in one.names
    }
    assert {name for _, name in imported} | {"__version__"} == set(singleshot.__all__)


def test_every_public_name_is_listed_and_there():
    assert dir(singleshot) == sorted(singleshot.__all__)
    assert all(hasattr(singleshot, name) for name in singleshot.__all__)
