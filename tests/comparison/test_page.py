"""The page of a comparison, read and used."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

import pytest
from axe_playwright_python.sync_playwright import Axe
from comparison_scene import EVIL, make_page, make_result
from page_reader import Reader
from playwright.sync_api import Browser, Page, expect

from singleshot.comparison.page import (
    clearly_less,
    format_p_value,
    write_comparison,
)
from singleshot.comparison.ranking import Ranking
from singleshot.metrics.intervals import AccuracyEstimate
from singleshot.metrics.pareto import pareto_front

PHONE, DESK = {"width": 390, "height": 844}, {"width": 1440, "height": 900}


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return write_comparison(make_page(), tmp_path_factory.mktemp("page") / "report.html")


@pytest.fixture(scope="module")
def text(path) -> str:
    return " ".join(Reader.of(path).text.split())


def test_the_verdict_names_the_best_and_those_that_do_not_differ_significantly(text):
    assert f"Most accurate {EVIL} 0.610" in text
    assert "0.550 to 0.700 with 95% confidence. The difference to fast is not significant." in text
    assert "Fastest fast 20.0 ms" in text


def test_a_dominated_detector_is_not_worth_considering(text):
    front = text.partition("Worth considering")[2].partition("The Pareto front")[0]
    assert "fast" in front
    assert EVIL in front
    assert "beaten" not in front


def test_published_numbers_have_a_section_below_all_measured_ones(text):
    measured, published = text.split("Not measured here", 1)
    assert "77.2" not in measured
    assert "weiliu89/caffe, branch ssd, README.md" in published
    assert "from memory, not looked up" in published


def test_a_dash_for_a_batch_that_would_take_too_long_is_explained(text):
    assert "a batch takes too long" in text


def test_a_page_without_intervals_explains_why(tmp_path):
    estimates = tuple(AccuracyEstimate(0.5, None, None) for _ in range(3))
    pairs = make_result().ranking.pairs
    unknown = tuple(one._replace(low=None, high=None, p_value=None) for one in pairs)
    ranking = Ranking(4, 1000, 0, 0.95, estimates, unknown)
    page = write_comparison(make_page(ranking=ranking), tmp_path / "report.html")
    assert "in fewer than 5 images, too few for an interval" in page.read_text()


def test_detectors_that_find_nothing_have_no_most_accurate(tmp_path):
    ranking = make_result().ranking
    nothing = tuple(AccuracyEstimate(0.0, None, None) for _ in range(3))
    page = make_page(ranking=replace(ranking, estimates=nothing))
    text = write_comparison(page, tmp_path / "report.html").read_text()
    assert "None: no detector has a true positive on these images." in text


def test_a_page_of_several_backbones_groups_by_framework_and_backbone(tmp_path):
    detectors = make_result().detectors
    other = replace(detectors[1], kind="faster-rcnn", backbone="resnet101")
    page = make_page(detectors=(detectors[0], other, detectors[2]))
    text = write_comparison(page, tmp_path / "report.html").read_text()
    grid = text.partition("By framework and backbone")[2].partition("</table>")[0]
    assert re.findall(r'<th scope="(?:col|row)">([^<]+)', grid) == [
        "Framework", "resnet101", "mobilenetv3_large_100", "faster-rcnn", "ssd",
    ]  # fmt: skip
    assert "0.520 <small>at 20.0 ms" in grid


def test_notes_stand_below_the_verdict(tmp_path):
    page = write_comparison(make_page(notes=("only 8 images have",)), tmp_path / "report.html")
    verdict = page.read_text().partition('id="verdict"')[2].partition("</section>")[0]
    assert "Note: only 8 images have." in verdict


def test_an_about_equal_memory_does_not_take_a_third_detector_off_its_front():
    """The third takes 5 % less than the first, but not than the second, nor that than the first."""
    memory, accuracies = [400.0, 390, 375], [0.9, 0.85, 0.8]
    assert pareto_front(accuracies, clearly_less(memory)) == [True, False, True]


def test_an_image_is_in_the_page_once_for_all_detectors(path):
    assert path.read_text().count("data:image/jpeg") == 1


def test_each_detector_shows_its_own_true_positives_and_false_negatives(text):
    shown = text.partition("Where they differ most")[2]
    # The higher threshold of the first leaves out its second detection.
    assert "1 true positive, 0 false positives, 1 false negative" in shown
    assert "0 true positives, 0 false positives, 2 false negatives" in shown


def test_p_values_below_one_in_a_thousand_are_bounds():
    assert [format_p_value(value) for value in (0.0002, 0.0123, None)] == ["< 0.001", "0.012", "–"]


# ---- In a browser


def opening(browser: Browser, path, **options) -> Iterator[Page]:
    context = browser.new_context(**options)
    page, messages = context.new_page(), []
    page.on("console", lambda message: messages.append(message.text))
    page.on("pageerror", lambda error: messages.append(str(error)))
    page.on("request", lambda request: messages.append(request.url[:80]))
    page.goto(path.as_uri())
    yield page
    context.close()
    own = re.compile(r"file:.*/report\.html$|data:")
    assert [one for one in messages if not own.match(one)] == []


@pytest.fixture(scope="module")
def opened(browser, path) -> Iterator[Page]:
    yield from opening(browser, path, viewport=DESK)


def column(page: Page, section: str, place: int) -> list[str]:
    rows = page.locator(f"{section} tbody tr").all()
    return [row.locator("th, td").nth(place).inner_text() for row in rows]


def test_the_most_accurate_comes_first_until_a_column_is_clicked(opened):
    opened.reload()
    assert column(opened, "#speed", 1) == ["200", "20.0", "90.0"]
    head = opened.locator("#speed th.sortable", has_text="Total")
    head.locator("button").click()
    assert column(opened, "#speed", 1) == ["20.0", "90.0", "200"]
    assert head.get_attribute("aria-sort") == "ascending"
    head.locator("button").click()
    assert column(opened, "#speed", 1) == ["200", "90.0", "20.0"]
    assert head.get_attribute("aria-sort") == "descending"


def test_unknown_values_are_last_in_every_order(opened):
    opened.reload()
    button = opened.locator("#speed th.sortable", has_text="in batches").locator("button")
    for _ in range(2):
        button.click()
        assert column(opened, "#speed", 7)[-1] == "–"


def test_the_keyboard_alone_sorts_and_selects(opened):
    opened.reload()
    button = opened.locator("#accuracy th.sortable", has_text="Mean average").locator("button")
    button.focus()
    opened.keyboard.press("Enter")
    opened.keyboard.press("Enter")
    assert column(opened, "#accuracy", 1)[0] == "0.300"
    box = opened.locator(".choice input").first
    box.focus()
    opened.keyboard.press("Space")
    expect(opened.locator('.view[data-model="1"]')).to_be_hidden()
    expect(opened.locator('.view[data-model="2"]')).to_be_visible()


@pytest.mark.parametrize(("colours", "viewport"), [("light", DESK), ("dark", PHONE)])
def test_axe_finds_no_violations(browser, path, viewport, colours):
    for page in opening(browser, path, viewport=viewport, color_scheme=colours):
        assert page.evaluate("document.documentElement.scrollWidth") == viewport["width"]
        violations = Axe().run(page).response["violations"]
        assert [(one["id"], one["nodes"][0]["html"]) for one in violations] == []


def test_without_scripts_tables_and_images_are_there_and_no_controls(browser, path):
    for page in opening(browser, path, viewport=DESK, java_script_enabled=False):
        assert page.locator(".sortable button").count() == 0
        assert not page.locator(".choice").is_visible()
        assert page.locator(".view .mark.tp").first.is_visible()
