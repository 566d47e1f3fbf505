"""The page of a search."""

from __future__ import annotations

from dataclasses import replace

import pytest
from axe_playwright_python.sync_playwright import Axe
from page_reader import Reader
from search_scene import PAGE

from singleshot.tuning.page import short_names, write_search_page


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return write_search_page(PAGE, tmp_path_factory.mktemp("page") / "report.html")


def test_the_page_has_the_best_score_and_how_reliable_it_is(path):
    text = " ".join(Reader.of(path).text.split())
    assert "<i>cells</i>" in text  # escaped, so read as text
    assert "unchanged recipe0.500 difference+0.100trials done5 of 8 stopped early1" in text
    assert "0.600 is the highest of 3 scores" in text
    assert "especially as 2 images are few" in text
    assert "trained once, so the spread between seeds is unknown" in text
    assert "singleshot evaluate r cells --split=test" in text
    assert "<b>not finite</b>" in text
    assert "learning_rate 0.02 → 0.01flip 0.5 → 0" in text


def test_every_trial_with_a_score_is_a_mark_in_every_chart(path):
    reader = Reader.of(path)
    # Progress and two keys, and two of the four shapes of the legend.
    assert len(reader.of_class("best")) == 3 + 1 + 1  # and one curve
    assert len(reader.of_class("pruned")) == 3 + 1 + 1
    assert len(reader.of_class("cross")) == 3 + 1


def test_keys_are_shortened_as_far_as_they_stay_different():
    keys = [
        "training.learning_rate",
        "augmentation.crop.probability",
        "augmentation.expand.probability",
    ]
    assert list(short_names(keys).values()) == [
        "learning_rate",
        "crop.probability",
        "expand.probability",
    ]


def test_a_search_without_a_finished_trial_has_a_page(tmp_path):
    empty = replace(PAGE, trials=(), importances=None, recipe="")
    text = Reader.of(write_search_page(empty, tmp_path / "report.html")).text
    assert "No trial is finished yet" in text


@pytest.mark.parametrize(("width", "colours"), [(390, "dark"), (1440, "light")])
def test_the_page_fits_needs_no_network_and_axe_finds_no_violations(browser, path, width, colours):
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=colours)
    requests, messages = [], []
    page.on("request", lambda request: requests.append(request.url))
    page.on("console", lambda message: messages.append(message.text))
    page.goto(path.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert Axe().run(page).response["violations"] == []
    assert [url for url in requests if not url.startswith("data:")] == [path.as_uri()]
    assert messages == []
