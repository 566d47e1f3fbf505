"""The tutorial's lessons: exercises check themselves, notebooks run, all slides are answered."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import re
from pathlib import Path

import pytest
from defusedxml.ElementTree import fromstring

FOLDER = Path(__file__).resolve().parents[2] / "docs/tutorial"
NAMES = [path.stem for path in sorted(FOLDER.glob("[0-9][0-9]-*.md"))]

# Titles of the deck, in order; those that stand twice have figures or tables answered apart.
SLIDES = """SSD Training Tutorial
Introduction
ML Task: Detection
Detection Metrics
Metrics: Precision and Recall
Metrics: Precision and Recall
Intersection over Union (1/2)
Intersection over Union (2/2)
mAP and IoU
Detection Background Overview
Detection Background Information (1)
Detection Background Information (2)
Detection Background Information (3)
Detection Background Information (4)
SSD Introduction
SSD Introduction
SSD Introduction
MultiBox Background Information (1)
MultiBox Background Information (2)
SSD Background Information
Regression Outputs from SSD
Classification Outputs from SSD
SSD Classification/Regression Subset Netscope Diagram
Detection Network Comparison
Comparison of Detection Network Accuracy and Speed
Performance Variations for Detection Framework and Feature Extractor
Detection Networks Comparisons
Detection Networks Comparisons
Detection Networks Summary
Adaptable. Intelligent.""".splitlines()


def run_cells(cells: list[str]) -> None:
    """Run cells in one namespace, as a notebook does."""
    names: dict[str, object] = {}
    with contextlib.redirect_stdout(io.StringIO()):
        for cell in cells:
            exec(compile(cell, "<notebook>", "exec"), names)


def code_of(lesson, exercise_cells: list[str]) -> list[str]:
    """The code of a lesson with other cells in the place of its exercises."""
    remaining = iter(exercise_cells)
    kinds = [part for part in lesson.parts if part.kind in ("python", "exercise")]
    return [part.content if part.kind == "python" else next(remaining) for part in kinds]


@pytest.mark.parametrize("name", NAMES)
def test_solutions_pass_their_own_checks_and_wrong_answers_fail(name, lessons):
    lesson = lessons[name]
    assert lesson.exercises
    checks = [one.cells(number)[1] for number, one in enumerate(lesson.exercises, 1)]
    solved = [one.solved_cell(number) for number, one in enumerate(lesson.exercises, 1)]
    wrong = [one.wrong_cell(number) for number, one in enumerate(lesson.exercises, 1)]
    run_cells(code_of(lesson, [f"{a}\n{b}" for a, b in zip(solved, checks, strict=True)]))
    for number, check in enumerate(checks):
        answers = [*solved[:number], f"{wrong[number]}\n{check}", *solved[number + 1 :]]
        with pytest.raises((AssertionError, TypeError)):
            run_cells(code_of(lesson, answers))


@pytest.mark.parametrize("name", NAMES)
def test_a_lesson_has_its_marks_filled_in(name, lessons):
    lesson = lessons[name]
    page = lesson.to_page()
    assert not re.search(r"<!-- (figure|live|value)", page)
    assert "```exercise" not in page
    figures = [part for part in lesson.parts if part.kind in ("figure", "live")]
    assert all(len(figure_text(lesson, part)) >= 40 for part in figures)


def figure_text(lesson, part) -> str:
    drawn = lesson.draw(part.kind, part.content)
    return drawn.text if part.kind == "figure" else drawn.start.text


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_is_made_of_the_lesson(name, lessons):
    from tutorial.notebooks import to_notebook

    lesson = lessons[name]
    notebook = json.loads(to_notebook(lesson))
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    cells = notebook["cells"]
    assert len({cell["id"] for cell in cells}) == len(cells)
    code = [cell["source"] for cell in cells if cell["cell_type"] == "code"]
    blocks = [part for part in lesson.parts if part.kind == "python"]
    assert len(code) == len(blocks) + 2 * len(lesson.exercises)
    shown = [part for part in lesson.parts if part.kind in ("figure", "live")]
    attached = [cell["attachments"] for cell in cells if "attachments" in cell]
    assert len(attached) == len(shown)
    for files in attached:
        ((_, types),) = files.items()
        assert fromstring(base64.b64decode(types["image/svg+xml"])).tag.endswith("svg")


def test_every_slide_of_the_deck_is_answered_by_a_section():
    rows = re.findall(r"^\| (\d+) \| (.+?) \| (.+) \|$", (FOLDER / "slides.md").read_text(), re.M)
    assert [int(number) for number, _, _ in rows] == list(range(1, 31))
    for (_, title, answers), expected in zip(rows, SLIDES, strict=True):
        assert title.startswith(expected)
        assert "](" in answers  # building the site checks that pages and sections exist


@pytest.mark.parametrize("recipe", ["rcnn", "faster-rcnn-vgg16", "ssd300-vgg16"])
def test_costs_of_regions_are_those_of_the_built_networks(recipe, lessons):
    from tutorial.costs import count_cost, read_costs

    assert lessons
    assert read_costs()[recipe] == count_cost(recipe)
