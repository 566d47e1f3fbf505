"""The page of a data set, read and in a real browser."""

# Tests singleshot/inspection/statistics/plots.py, singleshot/inspection/statistics/samples.py
from __future__ import annotations

from pathlib import Path

import pytest
import torch
from axe_playwright_python.sync_playwright import Axe
from cells import make_cells
from page_reader import Reader
from PIL import Image

import singleshot
from singleshot.data.formats import voc
from singleshot.structures import Truth


def page_of(folder: Path, out: Path) -> Path:
    page = singleshot.describe_dataset(folder, report=out).page
    assert page is not None
    return page


def make_images(folder: Path, labels: list[list[int]], num_classes: int) -> Path:
    source = folder.parent / f"{folder.name}-images"
    source.mkdir()
    images = []
    for index, found in enumerate(labels):
        path = source / f"{index}.png"
        Image.new("RGB", (32, 24)).save(path)
        boxes = torch.tensor([[1.0, 2, 20, 22]]).repeat(len(found), 1)
        images.append((path, Truth.of(boxes, torch.tensor(found).long())))
    names = [f"<class> {label}" for label in range(num_classes)]
    dataset = singleshot.DataSet.of(names, images, description="made up")
    voc.FORMAT.write(dataset, folder)
    return folder


def test_the_page_has_charts_maps_and_samples(tmp_path):
    make_cells(tmp_path / "cells")
    read = Reader.of(page_of(tmp_path / "cells", tmp_path / "out"))
    assert "18" in read.text
    assert len(read.of_class("map")) == 3 + 2  # of all objects, and of each class
    assert len(read.of_class("crop")) == 2 * 6
    assert "Made by singleshot data stats" in read.text


def test_the_same_seed_shows_the_same_samples(tmp_path):
    make_cells(tmp_path / "cells")
    pages = [page_of(tmp_path / "cells", tmp_path / name).read_text() for name in "ab"]
    assert pages[0].replace("/a</code>", "/b</code>") == pages[1]


@pytest.mark.parametrize(
    ("labels", "num_classes"),
    [([[0]], 1), ([[]], 0), ([[], []], 0), ([[label] for label in range(60)], 60)],
)
def test_odd_data_sets_have_a_page(labels, num_classes, tmp_path):
    folder = make_images(tmp_path / "odd", labels, num_classes)
    text = page_of(folder, tmp_path / "out").read_text()
    assert "<class>" not in text.replace("<class>&", "")
    assert ("And 20 more." in text) == (num_classes == 60)
    assert len(text) < 400_000


def test_an_image_that_cannot_be_read_has_no_sample(tmp_path):
    folder = make_images(tmp_path / "two", [[0], [0]], 1)
    content = (folder / "JPEGImages/0.png").read_bytes()
    (folder / "JPEGImages/0.png").write_bytes(content[:45])
    read = Reader.of(page_of(folder, tmp_path / "out"))
    assert len(read.of_class("crop")) == 1


@pytest.mark.parametrize(("colours", "width"), [("light", 1440), ("dark", 390)])
def test_axe_finds_no_violation(browser, colours, width, tmp_path):
    make_cells(tmp_path / "cells")
    path = page_of(tmp_path / "cells", tmp_path / "out")
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=colours)
    page.goto(path.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert Axe().run(page).response["violations"] == []
    regions = page.locator(".scroll")
    assert regions.count() == page.locator(".scroll[tabindex='0']").count() == 4
