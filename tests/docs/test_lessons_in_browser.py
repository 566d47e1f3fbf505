"""The tutorial in a real browser: exercises, interactive figures, accessibility, small screens."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe

from singleshot.metrics import precision_recall_curve

FOLDER = Path(__file__).resolve().parents[2] / "docs/tutorial"
NAMES = [
    path.stem
    for path in sorted(FOLDER.glob("[0-9][0-9]-*.md"))
    if "```exercise" in path.read_text()
]


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
    scores = np.array([0.95, 0.90, 0.85, 0.80, 0.70, 0.60, 0.50, 0.40])
    is_dog = np.array([True, True, False, True, False, True, True, False])
    curve = precision_recall_curve(scores, is_dog, num_truths=12)
    slider = figure.locator("input")
    for count, threshold in enumerate(scores, 1):
        slider.fill(f"{threshold:.2f}")
        values = {
            name: figure.locator(f'[data-value="{name}"]').inner_text()
            for name in ("tp", "fp", "fn", "precision", "recall")
        }
        right = int(is_dog[:count].sum())
        assert [int(values[name]) for name in ("tp", "fp", "fn")] == [
            right,
            count - right,
            12 - right,
        ]
        assert values["precision"] == f"{curve.precision[count - 1]:.4f}"
        assert values["recall"] == f"{curve.recall[count - 1]:.4f}"
    slider.press("End")
    assert "undefined" in figure.locator('[data-value="precision"]').inner_text()
