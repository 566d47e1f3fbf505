"""The page used by keyboard, on a phone and a desk, light and dark, and read by a screen reader."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from browser_page import COMBINATIONS, DESK, PHONE, add, image_file, opened_page, settle, wait_until
from page_service import PageService, serving_page
from playwright.sync_api import Page, expect


@pytest.fixture(scope="module")
def service() -> Iterator[PageService]:
    with serving_page(PageService()) as running:
        yield running


@pytest.fixture
def page(browser, service) -> Iterator[Page]:
    with opened_page(browser, service.url, viewport=DESK) as opened:
        wait_until(opened, "state.source !== null")
        yield opened


@pytest.mark.parametrize(("viewport", "colours"), COMBINATIONS)
def test_axe_finds_nothing_and_nothing_is_wider_than_the_screen(
    browser, service, viewport, colours
):
    with opened_page(browser, service.url, viewport=viewport, color_scheme=colours) as page:
        wait_until(page, "state.source !== null")
        find_violations(page, viewport)
        add(page, *(f"{number}.png" for number in range(8)))
        page.check("#show-priors")
        page.click("#classes summary")
        page.evaluate(
            "notify('one', 'A notice', {detail: 'with detail', actions: [['Again', showSoon]]})"
        )
        settle(page)
        find_violations(page, viewport)


def find_violations(page: Page, viewport: dict[str, int]) -> None:
    assert page.evaluate("document.documentElement.scrollWidth") == viewport["width"]
    violations = Axe().run(page).response["violations"]
    assert [(one["id"], one["nodes"][0]["html"]) for one in violations] == []


def test_the_keyboard_alone_reaches_and_moves_everything(page):
    add(page, "one.png", "two.png")
    reached = set()
    for _ in range(40):
        page.keyboard.press("Tab")
        what = page.evaluate(
            "(({id, className, parentElement: parent}) => id || parent?.id || className)"
            "(document.activeElement)"
        )
        if what in reached:
            continue
        reached.add(what)
        if what == "score":
            page.keyboard.press("Home")
            page.keyboard.press("ArrowRight")
            expect(page.locator("#score-text")).to_have_text("0.02")
        if what == "show-priors":
            page.keyboard.press("Space")
            expect(page.locator("#levels")).to_be_visible()
        if what == "overlay":
            page.keyboard.press("ArrowRight")
            page.keyboard.press("ArrowRight")
            expect(page.locator("#spoken")).to_contain_text(re.compile("2 of 4: cat, score 0.80"))
            page.keyboard.press("Escape")
    controls = {"choose", "camera", "overlay", "show-labels", "show-priors", "score", "rules"}
    assert controls | {"clear", "save-json", "save-png"} <= reached


def test_arrow_keys_move_through_the_table_and_highlight(page):
    add(page)
    page.keyboard.press("Tab")
    page.locator("#rows .pick").first.focus()
    page.keyboard.press("ArrowDown")
    settle(page)
    assert page.evaluate("highlighted().score") == 0.8
    page.keyboard.press("End")
    page.keyboard.press("Enter")
    settle(page)
    assert page.evaluate("state.pinned.score") == 0.2
    expect(page.locator("#rows .pick").last).to_have_attribute("aria-pressed", "true")
    assert page.locator("#rows [tabindex='0']").count() == 1


def test_arrow_keys_move_through_the_levels(page):
    add(page)
    page.check("#show-priors")
    page.keyboard.press("Tab")
    page.locator("#level-rows button").first.focus()
    page.keyboard.press("ArrowDown")
    settle(page)
    assert page.evaluate("state.level") == 1


def test_arrow_keys_move_through_the_images(page):
    add(page, "one.png", "two.png", "three.png")
    page.locator("#strip button").first.focus()
    page.keyboard.press("End")
    expect(page.locator("#image-name")).to_have_text("three.png")


def test_counts_are_announced_after_the_last_change(page):
    add(page)
    spoken = page.locator("#spoken")
    expect(spoken).to_have_text("one.png: 4 detections: 2 cat and 2 dog")
    page.fill("#score", "0.9")
    expect(spoken).to_have_text("one.png: 1 detection: 1 dog")
    page.fill("#score", "1")
    expect(spoken).to_have_text("one.png: 0 detections")


def test_colours_are_chosen_and_kept(browser, service):
    with opened_page(browser, service.url, viewport=DESK, color_scheme="light") as page:
        paper = "getComputedStyle(document.body).backgroundColor"
        light = page.evaluate(paper)
        page.get_by_label("Dark").check(force=True)
        dark = page.evaluate(paper)
        assert light != dark
        page.reload()
        assert page.evaluate(paper) == dark
        page.get_by_label("Auto").check(force=True)
        assert page.evaluate(paper) == light


def test_on_a_phone_the_image_stays_in_view(browser, service):
    with opened_page(browser, service.url, viewport=PHONE) as page:
        wait_until(page, "state.source !== null")
        add(page)
        page.evaluate("window.scrollTo(0, 500)")
        assert page.evaluate("element('stage').getBoundingClientRect().top") == 0


def test_nothing_moves_where_less_motion_is_preferred(browser, service):
    with opened_page(browser, service.url, reduced_motion="reduce") as page:
        moving = page.evaluate(
            "all('*').filter((one) => getComputedStyle(one).transitionDuration !== '0s').length"
        )
        assert moving == 0


def test_a_portrait_image_is_shown_whole(page):
    add(page, "tall.png", content=image_file((60, 300)))
    inside = page.evaluate(
        "(({x, y, width, height, canvas}) => x >= 0 && y >= 0 && x + width <= canvas.width"
        " && y + height <= canvas.height && height > width)(stage.view)"
    )
    assert inside
