from __future__ import annotations

import base64
import io
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
import torch
from PIL import Image

from singleshot.metrics import Predictions, Protocol, Truths, find_class_curves, measure
from singleshot.report import Exhibit, Page, write_report
from singleshot.structures import Detections, Truth

EVIL = "<script>alert('cat')</script>"
VOID = {"meta", "link", "img", "br"}
LOG = (
    {"kind": "step", "step": 1, "localization": 2, "classification": 3, "learning_rate": 0.01},
    {"kind": "evaluation", "step": 1, "mean_average_precision": 0.5},
)


class Reader(HTMLParser):
    """Collects what is in a page, and complains about tags that do not nest."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture
def page() -> Page:
    """Two classes, one of them with a name that means harm, and two pictures."""
    truth = Truth.of(torch.tensor([[10.0, 10, 60, 60], [70, 20, 90, 90]]), torch.tensor([0, 1]))
    found = Detections(
        torch.cat([truth.boxes, truth.boxes[:1] + 30]),
        torch.tensor([0.9, 0.8, 0.3]),
        torch.tensor([0, 1, 0]),
    )
    names, truths = [EVIL, "dog"], Truths.of(truth, torch.tensor([2, 2]))
    predictions = Predictions.of([found, found[:0]])
    protocol = Protocol.COCO
    curves = find_class_curves(predictions, truths, len(names), protocol=protocol)
    image = torch.full((3, 100, 120), 200, dtype=torch.uint8)
    return Page(
        title="cells",
        data=f"test split of {EVIL}",
        report=measure(predictions, truths, names, protocol=protocol),
        curves=dict(zip(names, curves, strict=True)),
        exhibits=[
            Exhibit(f"folder/{EVIL}.jpg", image, truth, found),
            Exhibit("empty.jpg", image.repeat(1, 8, 8), truth[:0], found[:0]),
        ],
        log=LOG,
        recipe='[training]\nnote = "<b>bold</b>"',
        command=f"singleshot evaluate '{EVIL}'",
        version="0.1.0",
    )


def read(page: Page, folder) -> Reader:
    return Reader(write_report(page, folder / "report.html").read_text(encoding="utf-8"))


@pytest.mark.parametrize("protocol", list(Protocol))
def test_the_page_is_well_formed_and_says_how_was_measured(page, tmp_path, protocol):
    report = replace(page.report, protocol=protocol)
    reader = read(replace(page, report=report), tmp_path)
    said = {"voc07": "PASCAL VOC 2007.", "voc10": "PASCAL VOC 2010.", "coco": "COCO."}
    assert f"Protocol. {said[protocol.value]}" in reader.text
    assert "singleshot 0.1.0" in reader.text


def test_the_page_needs_nothing_from_anywhere(page, tmp_path):
    text = write_report(page, tmp_path / "report.html").read_text(encoding="utf-8")
    assert not re.search(r"https?://|url\(|@import", text)
    reader = Reader(text)
    for _, attributes in reader.tags:
        for name in ("src", "href", "srcset"):
            assert (attributes.get(name) or "#").startswith(("#", "data:"))
    assert reader.all("script") == []
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_names_cannot_become_markup(page, tmp_path):
    reader = read(page, tmp_path)
    assert reader.all("script") == []
    assert reader.all("b") == []
    assert reader.text.count(EVIL) >= 4  # class name, data, picture, command


def test_pictures_have_words_and_open(page, tmp_path):
    pictures = read(page, tmp_path).all("img")
    assert len(pictures) == 4
    assert pictures[2]["alt"] == "empty.jpg, annotated: nothing"
    assert all(picture["loading"] == "lazy" for picture in pictures)
    for picture in pictures:
        data = base64.b64decode(picture["src"].removeprefix("data:image/jpeg;base64,"))
        with Image.open(io.BytesIO(data)) as opened:
            assert opened.size == (int(picture["width"]), int(picture["height"]))
            assert max(opened.size) <= 640


def test_only_detections_worth_keeping_are_shown(page, tmp_path):
    pictures = read(page, tmp_path).all("img")
    # The false alarm scores 0.3; the best F1 of its class keeps scores from 0.9.
    assert pictures[1]["alt"].endswith(f"found: 1 {EVIL}, 1 dog")


def test_charts_have_names(page, tmp_path):
    charts = read(page, tmp_path).all("svg")
    assert len(charts) == 2 + 3
    assert all(chart["role"] == "img" for chart in charts)
    assert charts[1]["aria-label"] == "dog: precision against recall; F1 1.00 from score 0.80"


def test_sections_without_content_are_left_out(page, tmp_path):
    bare = replace(page, curves={}, exhibits=[], log=[], recipe="")
    reader = read(bare, tmp_path)
    sections = [section.get("id") for section in reader.all("section")]
    assert sections == [None, "classes"]
    assert [link["href"] for link in reader.all("a")] == ["#main", "#classes"]


def test_undefined_numbers_are_dashes(page, tmp_path):
    truths = Truths.of(Truth.of(torch.zeros(0, 4), torch.zeros(0).long()), torch.tensor([0]))
    nothing = measure(Predictions.of([]), truths, ["cat"], protocol=Protocol.VOC10)
    reader = read(replace(page, report=nothing, curves={}, exhibits=[]), tmp_path)
    assert "\N{EN DASH}" in reader.text
    assert "None" not in reader.text
    assert "nan" not in reader.text


def test_every_scrolling_region_can_be_reached_by_keyboard(page, tmp_path):
    reader = read(page, tmp_path)
    scrolling = [tag for name, tag in reader.tags if tag.get("class") == "scroll" or name == "pre"]
    assert len(scrolling) == 2
    assert all(tag["tabindex"] == "0" for tag in scrolling)
