"""The tutorial's tables as a page."""

from __future__ import annotations

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from comparison_scene import EVIL, MACHINE, speed
from page_reader import Reader

from singleshot.comparison.published import read_published_figures, read_tutorial
from singleshot.comparison.tutorial_page import (
    MeasuredSystem,
    TrainedRun,
    TutorialResult,
    write_tutorial,
)
from singleshot.metrics.intervals import AccuracyEstimate

TUTORIAL = read_tutorial()


def measured(system):
    """SSD300 is measured and trained, the others have no recipe."""
    if system.recipe != "ssd300-vgg16":
        return MeasuredSystem(system, "no recipe yet", *[None] * 7)
    run = TrainedRun(EVIL, (128, 160), AccuracyEstimate(0.321, 0.2, 0.4), 0.654)
    return MeasuredSystem(
        system, "", (300, 300), 8732, 26_285_486, 31_373_537_792, speed(500.0), 123.0, run
    )


RESULT = TutorialResult(
    tutorial=TUTORIAL,
    systems={system.recipe: measured(system) for system in TUTORIAL.systems},
    machine=MACHINE,
    num_classes=20,
    images=f"images of {EVIL}",
    data="72 images",
    protocol="coco",
    published=tuple(read_published_figures()),
)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    return write_tutorial(RESULT, folder / "report.html", command="singleshot", version="1")


@pytest.fixture(scope="module")
def text(path) -> str:
    return " ".join(Reader.of(path).text.split())


def test_images_per_second_do_not_include_postprocessing():
    one = RESULT.systems["ssd300-vgg16"]
    assert one.network_ms == pytest.approx(450)
    assert one.frames_per_second == pytest.approx(1000 / 450)


def cells_of(path, system: str) -> list[str]:
    """Read the first row of a system, cell by cell."""
    row = path.read_text().partition(f'<th scope="row">{system}</th>')[2].partition("</tr>")[0]
    return [re.sub("<[^>]*>", "", cell) for cell in re.findall("<td[^>]*>(.*?)</td>", row)]


def test_printed_measured_and_trained_stand_side_by_side(path):
    printed = ["77.2", "46", "8732", "300 × 300"]
    measured = ["8,732", "300 × 300", "26.3", "2.22"]
    trained = ["0.654", "160 × 128"]
    assert cells_of(path, "SSD300* (VGG16)") == printed + measured + trained


def test_an_empty_cell_of_the_tutorial_is_a_dash(path):
    assert cells_of(path, "YOLOv2")[2] == "–"


def test_a_system_without_a_recipe_keeps_its_printed_numbers(text):
    row = text.partition("YOLO (customized)")[2].partition("SSD300*")[0]
    assert "63.4" in row
    assert "no recipe yet" in row


def test_every_footnote_leads_to_its_erratum(path):
    reader = Reader.of(path)
    ids = {attrs["id"] for tag, attrs in reader.tags if tag == "li" and "id" in attrs}
    links = {
        attrs["href"] for tag, attrs in reader.tags if tag == "a" and "erratum-" in attrs["href"]
    }
    assert links == {f"#{one}" for one in ids}
    assert len(ids) == len(TUTORIAL.errata) == 8


def test_the_json_has_the_same_numbers():
    document = RESULT.to_json()
    (known,) = [one for one in document["systems"] if one["num_boxes"]]
    assert known["frames_per_second"] == pytest.approx(1000 / 450)
    assert known["run"]["AP50"] == 0.654
    assert known["run"]["interval"] == [0.2, 0.4]
    assert len(document["tables"]) == 4


@pytest.mark.parametrize(("colours", "width"), [("light", 1440), ("dark", 390)])
def test_axe_finds_no_violations(browser, path, colours, width):
    viewport = {"width": width, "height": 900}
    page = browser.new_context(viewport=viewport, color_scheme=colours).new_page()
    page.goto(path.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") == width
    violations = Axe().run(page).response["violations"]
    assert [(one["id"], one["nodes"][0]["html"]) for one in violations] == []
