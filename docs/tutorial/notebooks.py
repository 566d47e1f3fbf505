"""Make a notebook of each lesson, from the same file as the page.

Text, code and exercises become cells; figures are attached to their cells, so that a notebook is
one file. The format is nbformat 4.5 (https://nbformat.readthedocs.io), plain JSON.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from typing import Any

from tutorial.drawing import Live
from tutorial.lessons import Lesson, Part

__all__ = ["to_notebook"]

Cell = dict[str, Any]

LINK = re.compile(r"(?<!!)\[([^\]]+)\]\((?!https?:)[^)]+\)")
ATTRIBUTES = re.compile(r"\{ [.#][^}]*\}")
INSTALL = "*A lesson of the tutorial of singleshot (`pip install singleshot`), as a notebook.*"


def to_notebook(lesson: Lesson) -> str:
    """Write a lesson as a notebook."""
    cells = [cell for cell in cells_of(lesson) if cell["source"]]
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number}"
    content = {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {
            "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
            "language_info": {"name": "python"},
        },
        "cells": cells,
    }
    return json.dumps(content, indent=1, ensure_ascii=False)


def cells_of(lesson: Lesson) -> Iterator[Cell]:
    """Write the cells of a lesson, in order."""
    yield of_text(INSTALL)
    number = 0
    for part in lesson.parts:
        match part.kind:
            case "text":
                yield of_text(plain(lesson.fill_values(part.content)))
            case "python":
                yield of_code(part.content)
            case "exercise":
                number += 1
                exercise = lesson.exercises[number - 1]
                yield of_text(f"**Exercise {number}.** {plain(exercise.question)}")
                yield from map(of_code, exercise.cells(number))
                hint, solution = plain(exercise.hint), plain(exercise.full_solution())
                yield of_text(folded("Hint", hint) + folded("Solution", solution))
            case _:
                yield of_figure(lesson, part)


def of_text(source: str) -> Cell:
    """Write a cell of Markdown."""
    return {"cell_type": "markdown", "metadata": {}, "source": source.strip()}


def of_code(source: str) -> Cell:
    """Write a cell of code that has not run."""
    empty = {"execution_count": None, "outputs": []}
    return {"cell_type": "code", "metadata": {}, "source": source.strip(), **empty}


def of_figure(lesson: Lesson, part: Part) -> Cell:
    """Write a cell with a figure attached; of an interactive one, its start."""
    drawn = lesson.draw(part.kind, part.content)
    figure = drawn.start if isinstance(drawn, Live) else drawn
    name = f"{part.content}.svg"
    note = "\n\n*Interactive on the page of this lesson.*" if part.kind == "live" else ""
    cell = of_text(f"![{figure.text}](attachment:{name}){note}")
    data = base64.b64encode(figure.to_file().encode()).decode()
    return {**cell, "attachments": {name: {"image/svg+xml": data}}}


def plain(text: str) -> str:
    """Remove links into the site, and attributes."""
    return ATTRIBUTES.sub("", LINK.sub(r"\1", text))


def folded(title: str, text: str) -> str:
    """Hide text behind its title."""
    return f"<details><summary>{title}</summary>\n\n{text.strip()}\n\n</details>\n\n"
