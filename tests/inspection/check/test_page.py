"""The page of a check: what it shows, in a browser on a desk and on a phone."""

# Tests singleshot/inspection/check/thumbnails.py

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import Browser, Page

import singleshot
from singleshot.inspection.check.page import MOST_FIGURES

PHONE, DESK = {"width": 390, "height": 844}, {"width": 1440, "height": 900}
EVIL = "<script>alert(1)</script>"


@pytest.fixture
def path(planted, tmp_path):
    """A page with errors of several kinds, and a class with a name of HTML."""
    shutil.copy(planted.image("03"), planted.image("21"))
    planted.image("06").write_bytes(b"")
    planted.objects["04"].append(planted.objects["04"][0])
    planted.objects["05"].append((EVIL.replace("<", "&lt;"), (40, 30, 60, 45), 0))
    for number in range(8, 22):
        planted.objects[f"{number:02}"].append(("cat", (60, 30, 61, 45), 0))
    with Image.open(planted.image("07")) as image:
        image.convert("L").save(planted.image("07"))
    singleshot.check_dataset(planted.write_voc(), report=tmp_path / "report", progress=False)
    return tmp_path / "report/report.html"


def section(page: str, kind: str) -> str:
    return page.partition(f'<section id="{kind}"')[2].partition("</section>")[0]


def test_each_kind_has_a_section_with_its_images_up_to_a_number(path):
    text = path.read_text()
    tiny = section(text, "tiny")
    assert tiny.count("<figure") == MOST_FIGURES
    assert "2 more" in tiny
    assert tiny.count('<g class="mark fp"') == MOST_FIGURES + 1  # one in the legend
    assert section(text, "copy-across-splits").count("data:image/jpeg") == 2  # side by side
    assert "JPEGImages/06.jpg" in section(text, "unreadable-image")  # cannot be shown
    assert "<script>alert" not in text


def test_a_clean_data_set_has_a_page_as_well(planted, tmp_path):
    singleshot.check_dataset(planted.write_voc(), report=tmp_path, progress=False)
    text = (tmp_path / "report.html").read_text()
    assert "Nothing found" in text
    assert "<figure" not in text


# ---- In a browser


def opening(browser: Browser, path, **options) -> Iterator[Page]:
    context = browser.new_context(**options)
    page, messages = context.new_page(), []
    page.on("console", lambda message: messages.append(message.text))
    page.on("request", lambda request: messages.append(request.url[:300]))
    page.goto(path.as_uri())
    yield page
    context.close()
    own = re.compile(r"file:.*/report\.html(#.*)?$|data:")
    assert [one for one in messages if not own.match(one)] == []


@pytest.mark.parametrize("colours", ["light", "dark"])
@pytest.mark.parametrize("viewport", [DESK, PHONE], ids=["desk", "phone"])
def test_axe_finds_no_violations_and_nothing_is_wider_than_the_screen(
    browser, path, viewport, colours
):
    for page in opening(browser, path, viewport=viewport, color_scheme=colours):
        assert page.evaluate("document.documentElement.scrollWidth") == viewport["width"]
        violations = Axe().run(page).response["violations"]
        assert [(one["id"], one["nodes"][0]["html"]) for one in violations] == []


def test_the_summary_leads_to_each_kind(browser, path):
    for page in opening(browser, path, viewport=DESK):
        page.locator("#summary a", has_text="too small").click()
        assert page.locator("#tiny h2").is_visible()
        assert page.url.endswith("report.html#tiny")
