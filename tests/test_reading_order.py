"""Packages that list their modules in reading order list all of them."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import singleshot

ROOT = Path(singleshot.__file__).parent
ORDERED = [
    path for path in ROOT.rglob("__init__.py") if "In reading order" in path.read_text("utf-8")
]


@pytest.mark.parametrize("path", ORDERED, ids=lambda path: path.parent.name)
def test_a_reading_order_names_every_module(path):
    order = ast.get_docstring(ast.parse(path.read_text("utf-8")))
    first = {line.split()[0] for line in order.splitlines() if line[:1].islower()}
    inside = path.parent
    modules = {one.stem for one in inside.glob("*.py")} | {
        one.parent.name for one in inside.glob("*/__init__.py")
    }
    modules -= {"__init__"}
    assert {name for name in modules - first if f"`{name}`" not in order} == set()
    assert first <= modules


def test_there_are_such_packages():
    assert {path.parent.name for path in ORDERED} == {"data", "training"}
