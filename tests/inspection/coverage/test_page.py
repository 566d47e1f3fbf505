"""The page of a coverage, read and in a real browser."""

# Tests singleshot/inspection/coverage/plots.py

from __future__ import annotations

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from cells import make_cells
from page_reader import Reader
from small import TINY

import singleshot

SMALL = {
    "model.input": [96, 128],
    "model.backbone": TINY,
    "model.pyramid.extra": [],
    "model.priors.sizes_unit": [0.5, 0.7],
    "model.priors.aspect_ratios": [[2]],
}


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    folder = tmp_path_factory.mktemp("coverage")
    cells = make_cells(folder / "<cells>")
    result = singleshot.measure_coverage(
        "ssdlite320-lite0", cells, fit=folder / "fit.toml", report=folder, overrides=SMALL
    )
    return result, folder / "report.html"


def test_the_page_has_the_numbers_of_the_result(measured):
    result, path = measured
    text = " ".join(Reader.of(path).text.split())
    for overlap in (result.coverage.all, result.fit.coverage.all, result.fit.gains[2].after):
        assert f"{overlap.recall:.3f}" in text
        assert f"{overlap.mean_best_iou:.3f}" in text
    assert "<cells>" in text  # escaped, so read as text
    assert "6 × 8" in text


def test_every_object_and_every_prior_is_a_mark(measured):
    result, path = measured
    reader = Reader.of(path)
    objects = result.coverage.all.objects
    # Before and after the fit; the classes of the key have other names.
    assert len(reader.of_class("covered") + reader.of_class("uncovered")) == 2 * objects
    assert len(reader.of_class("prior-mark")) == 2 * 4
    assert len(reader.of_class("prior")) == 2 * 4


def test_the_worst_covered_objects_are_cut_out_with_both_priors(measured):
    result, path = measured
    reader = Reader.of(path)
    assert len(reader.of_class("crop")) == result.coverage.all.objects == 10
    assert re.search(r"IoU 0\.\d\d → 0\.\d\d, \d+ × \d+ pixels", reader.text)


def test_a_page_without_a_fit_has_one_column(tmp_path):
    cells = make_cells(tmp_path / "cells")
    singleshot.measure_coverage("ssdlite320-lite0", cells, report=tmp_path, overrides=SMALL)
    text = Reader.of(tmp_path / "report.html").text
    assert "Gain of fitted priors" not in text
    assert "fitted" not in text


@pytest.mark.parametrize(("width", "colours"), [(390, "dark"), (1440, "light")])
def test_the_page_fits_needs_no_network_and_axe_finds_no_violations(
    browser, measured, width, colours
):
    _, path = measured
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=colours)
    requests = []
    page.on("request", lambda request: requests.append(request.url))
    page.goto(path.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert Axe().run(page).response["violations"] == []
    assert [url for url in requests if not url.startswith("data:")] == [path.as_uri()]
