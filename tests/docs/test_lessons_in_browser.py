"""The tutorial in a real browser: exercises, interactive figures, accessibility, small screens."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from axe_playwright_python.sync_playwright import Axe

from singleshot.boxes.geometry import pairwise_iou
from singleshot.metrics import Protocol, every_point, precision_recall_curve

FOLDER = Path(__file__).resolve().parents[2] / "docs/tutorial"
NAMES = [path.stem for path in sorted(FOLDER.glob("[0-9][0-9]-*.md"))]

# The eight detections of twelve dogs.
SCORES = np.array([0.95, 0.90, 0.85, 0.80, 0.70, 0.60, 0.50, 0.40])
IS_DOG = np.array([True, True, False, True, False, True, True, False])


@pytest.fixture
def opened(site, browser):
    """Open a lesson from disk at a width, in a colour scheme; errors of scripts fail the test."""
    contexts, errors = [], []

    def open_lesson(name, width=1440, scheme="light"):
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True
        )
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto((site / f"tutorial/{name}.html").as_uri())
        return page

    yield open_lesson
    for context in contexts:
        context.close()
    assert errors == []


@pytest.mark.parametrize("name", NAMES)
def test_exercises_take_the_right_answer_and_no_other(name, opened, lessons):
    page, lesson = opened(name), lessons[name]
    for number, exercise in enumerate(lesson.exercises, 1):
        form = page.locator(f"#exercise-{number}")
        right = exercise.right_answer(lesson.namespace)
        if exercise.kind == "choice":
            wrong = "b" if right == "a" else "a"
            answers = [(wrong, "Not yet."), (right, "Right.")]
        else:
            wrong = right + 1 + 2 * exercise.tolerance
            answers = [("?", "Write a number, such as 0.25 or 1/4.")]
            answers += [(str(wrong), "Not yet."), (str(right), "Right.")]
        for answer, outcome in answers:
            if exercise.kind == "choice":
                form.locator(f"input[value={answer}]").check()
            else:
                form.locator("input").fill(answer)
            form.locator("input").first.press("Enter")
            assert form.locator("output").inner_text() == outcome


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("width", "scheme"), [(1440, "light"), (390, "dark")])
def test_a_lesson_is_accessible_and_does_not_scroll_sideways(name, width, scheme, opened):
    page = opened(name, width, scheme)
    assert page.locator("[data-live]:not([data-ready])").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    found = Axe().run(page, context="article").response["violations"]
    serious = [one for one in found if one["impact"] in ("serious", "critical")]
    assert [(one["id"], one["nodes"][0]["html"]) for one in serious] == []


def test_the_threshold_slider_counts_as_the_package_does(opened):
    page = opened("02-precision-and-recall")
    figure = page.locator('[data-live="threshold"]')
    curve = precision_recall_curve(SCORES, IS_DOG, num_truths=12)
    slider = figure.locator("input")
    for count, threshold in enumerate(SCORES, 1):
        slider.fill(f"{threshold:.2f}")
        values = {
            name: figure.locator(f'[data-value="{name}"]').inner_text()
            for name in ("tp", "fp", "fn", "precision", "recall")
        }
        right = int(IS_DOG[:count].sum())
        assert [int(values[name]) for name in ("tp", "fp", "fn")] == [
            right,
            count - right,
            12 - right,
        ]
        assert values["precision"] == f"{curve.precision[count - 1]:.4f}"
        assert values["recall"] == f"{curve.recall[count - 1]:.4f}"
    slider.press("End")
    assert "undefined" in figure.locator('[data-value="precision"]').inner_text()


TRUTH = [100, 60, 300, 260]
MOVES = {
    "poor": ("0.4034", [140, 120, 345, 305]),
    "good": ("0.7330", [105, 81, 330, 270]),
    "excellent": ("0.9264", [105, 65, 297, 258]),
}


def assert_shows_iou(figure, box) -> None:
    """Compare the reading with the package's, in single precision, to half of its last digit."""
    expected = pairwise_iou(torch.tensor([TRUTH]).float(), torch.tensor([box]).float()).item()
    shown = float(figure.locator('[data-value="iou"]').inner_text())
    assert shown == pytest.approx(expected, abs=0.5e-4 + 1e-6)


@pytest.mark.parametrize("name", MOVES)
def test_boxes_that_are_moved_show_the_iou_of_the_package(name, opened):
    page = opened("04-intersection-over-union")
    figure = page.locator(f"#figure-{name}")
    reading = figure.locator('[data-value="iou"]')
    start, (x1, y1, x2, y2) = MOVES[name]
    assert reading.inner_text() == start
    box = figure.locator('[data-part="box"]')
    box.press("ArrowLeft")
    box.press("Shift+ArrowUp")
    assert_shows_iou(figure, [x1 - 1, y1 - 10, x2 - 1, y2 - 10])
    figure.locator('[data-part="corner"]').press("ArrowLeft")
    assert_shows_iou(figure, [x1 - 1, y1 - 10, x2 - 2, y2 - 10])
    figure.get_by_role("button", name="Back to the start").click()
    assert reading.inner_text() == start


def test_a_dragged_box_shows_the_iou_of_the_package(opened):
    page = opened("04-intersection-over-union")
    figure = page.locator("#figure-poor")
    figure.scroll_into_view_if_needed()
    place = figure.locator('[data-part="box"]').bounding_box()
    page.mouse.move(place["x"] + 20, place["y"] + 20)
    page.mouse.down()
    page.mouse.move(place["x"] - 3, place["y"] - 7, steps=4)
    page.mouse.up()
    box = json.loads(figure.get_attribute("data-box"))
    assert box[0] < 140
    assert box[1] < 120
    assert_shows_iou(figure, box)


def test_the_curve_grows_as_the_package_computes_it(opened):
    page = opened("03-average-precision")
    figure = page.locator('[data-live="curve"]')
    curve = precision_recall_curve(SCORES, IS_DOG, num_truths=12)
    for count in range(1, 9):
        figure.get_by_role("button", name="Next detection").press("Enter")
        recall, precision = curve.recall[:count], curve.precision[:count]
        shown = {
            name: figure.locator(f'[data-value="{name}"]').inner_text()
            for name in ("precision", "recall", "area")
        }
        assert shown["precision"].endswith(f"= {precision[-1]:.4f}")
        assert shown["recall"].endswith(f"= {recall[-1]:.4f}")
        assert shown["area"] == f"{every_point(recall, precision):.4f}"
    assert figure.locator("circle[visibility=visible]").count() == 8
    figure.get_by_role("button", name="Back").click()
    assert figure.locator("circle[visibility=visible]").count() == 7


def test_ap_at_each_iou_threshold_is_that_of_the_package(opened, lessons):
    page = opened("05-rulebooks")
    figure = page.locator('[data-live="iou-threshold"]')
    names = lessons["05-rulebooks"].namespace
    coco = names["results"][Protocol.COCO].coco
    assert figure.locator('[data-value="mean"]').inner_text() == f"{coco.AP:.4f}"
    reading, slider = figure.locator('[data-value="ap"]'), figure.locator("input")
    assert reading.inner_text() == f"{coco.AP50:.4f}"
    for _ in range(5):
        slider.press("ArrowRight")
    assert figure.locator('[data-value="threshold"]').inner_text() == "0.75"
    assert reading.inner_text() == f"{coco.AP75:.4f}"


def test_a_step_of_the_training_shows_what_was_recorded(opened, lessons):
    figures = lessons["06-localization"].figures
    page = opened("06-localization")
    figure = page.locator('[data-live="learning"]')
    figure.get_by_label("Training step").press("End")
    for attach in ("convolutions", "fully_connected"):
        figure.locator("select").select_option(attach)
        last = figures.learn(attach)[-1]
        assert figure.locator('[data-value="step"]').inner_text() == str(figures.SHOWN[-1])
        shown = float(figure.locator('[data-value="iou"]').inner_text())
        assert shown == pytest.approx(last["iou"], abs=0.02)  # another process rounds otherwise
        assert shown > 0.85
        x = float(figure.locator('[data-number="0"]').get_attribute("x"))
        assert x == pytest.approx(last["boxes"][0][0], abs=2)


def test_a_window_shows_the_score_of_the_classifier(opened, lessons):
    figures = lessons["07-sliding-windows"].figures
    page = opened("07-sliding-windows")
    figure = page.locator('[data-live="window"]')
    figure.locator("select").select_option("250")
    for axis, presses in (("x", 2), ("y", 7)):
        for _ in range(presses):
            figure.locator(f'[data-axis="{axis}"]').press("ArrowRight")
    windows = figures.all_windows()[250]
    expected = windows.scores[7 * windows.grid[1] + 2].item()
    assert expected > 0.9
    shown = float(figure.locator('[data-value="score"]').inner_text())
    assert shown == pytest.approx(expected, abs=0.001)


def test_bars_are_as_long_as_the_costs_of_the_detectors(opened, lessons):
    figures = lessons["08-region-proposals"].figures
    page = opened("08-region-proposals")
    figure = page.locator('[data-live="regions"]')
    figure.locator("input").press("End")
    for name, cost in figures.read_costs().items():
        billions = f"{round((cost.once + 2000 * cost.each) / 1e9):,} billion"
        assert figure.locator(f'[data-text="{name}"]').text_content() == billions
