from __future__ import annotations

import re
import shutil
from html import unescape
from inspect import isfunction

import pytest
from playwright.sync_api import sync_playwright

import singleshot
from singleshot.recipes.load import recipe_files

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
# Code that is cut off at its box; help texts scroll on a phone.
CUT = """() => [...document.querySelectorAll('article pre > code')]
  .filter(code => !code.closest('.help') && code.scrollWidth > code.clientWidth)
  .map(code => code.textContent.slice(0, 60))"""


def test_the_site_loads_nothing_from_the_network(site):
    pages = [page.read_text() for page in site.rglob("*.html")]
    assert pages
    for page in pages:
        assert 'src="http' not in page
        assert "fonts.googleapis" not in page


def test_generated_parts_are_filled_in(site):
    commands = (site / "reference/command-line.html").read_text()
    assert "Usage: singleshot models show" in commands
    metrics = (site / "reference/metrics.html").read_text()
    for part in ('id="every_point"', 'id="log_average_miss_rate"', 'id="find_errors"', "VOCap.m"):
        assert part in metrics
    keys = (site / "reference/recipe-keys.html").read_text()
    for part in ("training.schedule", "learning_rate", "epochs"):
        assert part in keys
    assert "generated:" not in commands + metrics + keys


def test_the_options_of_every_function_are_listed(site):
    page = (site / "reference/python.html").read_text()
    public = {name: getattr(singleshot, name) for name in singleshot.__all__}
    functions = [
        name for name, one in public.items() if isfunction(one) and hasattr(one, "__signature__")
    ]
    assert {"train", "predict", "serve"} <= set(functions)
    assert [name for name in functions if f'id="singleshot{name}"' not in page] == []


def test_every_recipe_has_a_page_with_its_command_and_its_levels(site):
    overview = (site / "reference/recipes.html").read_text()
    for name in recipe_files():
        page = unescape(text_of((site / f"reference/recipes/{name}.html").read_text()))
        assert f"singleshot train {name} " in page
        assert f'href="recipes/{name}.html"' in overview
    levels = text_of((site / "reference/recipes/ssd300-vgg16.html").read_text())
    assert "38\N{NO-BREAK SPACE}×\N{NO-BREAK SPACE}38" in levels


def test_each_table_of_keys_is_described_once(site):
    pages = [site / "reference/recipe-keys.html"]
    pages += (site / "reference/recipe-keys").glob("*.html")
    tables = [
        re.sub(r'href="[^"]*"', "", table)
        for page in pages
        for table in re.findall("<table>.*?</table>", page.read_text(), re.DOTALL)
    ]
    assert len(tables) == len(set(tables)) >= 57


def text_of(page: str) -> str:
    """A page without its tags, as highlighted code is full of them."""
    return re.sub(r"<[^>]+>", "", page)


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
@pytest.mark.parametrize("width", [390, 1440])
def test_no_code_is_cut_and_no_page_scrolls_sideways(site, width):
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": width, "height": 900})
        for path in ("how-to/train-on-your-own-images", "reference/recipes/ssd300-vgg16", "index"):
            page.goto((site / f"{path}.html").as_uri())
            assert page.evaluate(CUT) == []
            assert page.evaluate("document.documentElement.scrollWidth") <= width
        browser.close()
