"""The page on all detectors has the numbers of each built network."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from singleshot.models.listing import list_recipes
from singleshot.recipes.load import load_recipe, recipe_files

PAGES = Path(__file__).resolve().parents[2] / "docs/learn/detectors"
ROW = re.compile(r"^\| [^|]+ \| `([\w-]+)` \| ([\d,]*) \| ([\d ×]*) \|", re.MULTILINE)
ROWS = {name: (boxes, size) for name, boxes, size in ROW.findall((PAGES / "index.md").read_text())}


@pytest.fixture(scope="module")
def built():
    """What every shipped recipe builds."""
    return {recipe.name: recipe for recipe in list_recipes()}


@pytest.mark.parametrize("name", [name for name in ROWS if name in recipe_files()])
def test_boxes_and_inputs_are_those_of_the_built_network(name, built):
    boxes, size = ROWS[name]
    height, width = built[name].input
    assert boxes == f"{built[name].num_boxes:,}"
    assert size == f"{height} × {width}"


def test_every_other_kind_of_detector_is_in_the_table():
    others = {name for name in recipe_files() if load_recipe(name).model.kind != "ssd"}
    assert others <= set(ROWS)
    assert {"ssd300-vgg16", "localizer", "multibox"} <= set(ROWS)


@pytest.mark.parametrize("page", sorted(PAGES.glob("*.md")), ids=lambda page: page.stem)
def test_a_page_shows_an_image_of_its_boxes(page):
    shown = re.findall(r"!\[[^\]]+\]\(([\w-]+\.png)\)", page.read_text())
    assert shown
    assert all((PAGES / name).is_file() for name in shown)
