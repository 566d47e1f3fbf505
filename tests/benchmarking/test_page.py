"""The page of a benchmark, read and used."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from benchmark_scene import EVIL, make_result, make_row
from page_reader import Reader
from playwright.sync_api import Browser, Page

from singleshot.benchmarking.page import write_benchmark

PHONE, DESK = {"width": 390, "height": 844}, {"width": 1440, "height": 900}


def write(folder, *rows):
    path = folder / "report.html"
    return write_benchmark(make_result(*rows), path, command="singleshot benchmark a", version="1")


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return write(tmp_path_factory.mktemp("page"))


@pytest.fixture(scope="module")
def text(path) -> str:
    return " ".join(Reader.of(path).text.split())


def test_the_verdict_is_about_latency_throughput_and_the_front(text):
    assert "Lowest latency small 10.0 ms" in text
    assert "Highest throughput small, 2 streams 190 images/s" in text
    assert f"Worth considering small, {EVIL}" in text
    assert "Note: the machine is busy." in text


def test_json_lies_beside_the_page(path):
    document = json.loads(path.with_name("benchmark.json").read_text())
    assert document == make_result().to_json()


def test_without_accuracies_there_is_no_plot(tmp_path):
    text = " ".join(Reader.of(write(tmp_path, make_row("only", 5.0))).text.split())
    assert "Smallest only 16.5 MB" in text
    assert "Pareto" not in text


def test_numbers_of_the_plot_are_those_of_the_tables(tmp_path):
    rows = [make_row("unknown", 1.0), make_row("slow", 9.0, average_precision=0.6)]
    page = write(tmp_path, *rows).read_text()
    plot = page.partition('<svg class="plot"')[2].partition("</svg>")[0]
    assert '<text class="plot-name"' in plot
    assert "slow: 0.600" in plot
    assert '<span class="number">1</span> slow' in page
    assert '<span class="number">2</span> unknown' in page


def test_labels_have_the_threads_where_they_differ(tmp_path):
    text = Reader.of(write(tmp_path, make_row("a", 5.0), make_row("a", 3.0, threads=2))).text
    assert "a, 1 thread" in text
    assert "a, 2 threads" in text


def test_unknown_phases_are_dashes(tmp_path):
    foreign = make_row("a", 5.0, preprocess=None, network=None, postprocess=None, size_mb=None)
    text = " ".join(Reader.of(write(tmp_path, foreign)).text.split())
    assert "–––8.00" in text.replace(" ", "")


# ---- In a browser


def opening(browser: Browser, path, **options) -> Iterator[Page]:
    context = browser.new_context(**options)
    page, messages = context.new_page(), []
    page.on("console", lambda message: messages.append(message.text))
    page.on("pageerror", lambda error: messages.append(str(error)))
    page.goto(path.as_uri())
    yield page
    context.close()
    assert messages == []


@pytest.mark.parametrize(("colours", "viewport"), [("light", DESK), ("dark", PHONE)])
def test_axe_finds_no_violations(browser, path, viewport, colours):
    for page in opening(browser, path, viewport=viewport, color_scheme=colours):
        assert page.evaluate("document.documentElement.scrollWidth") == viewport["width"]
        violations = Axe().run(page).response["violations"]
        assert [(one["id"], one["nodes"][0]["html"]) for one in violations] == []


def test_a_click_sorts_the_fastest_first(browser, path):
    for page in opening(browser, path, viewport=DESK):
        head = page.locator("#latency th.sortable", has_text="Network")
        for first in ("7.00", "40.0"):
            head.locator("button").click()
            row = page.locator("#latency tbody tr").first
            assert row.locator("td").nth(2).inner_text() == first
