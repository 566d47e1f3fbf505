"""Read the lessons of the tutorial, run their code, and fill in figures, values and exercises.

A lesson is one Markdown file, docs/tutorial/NN-name.md. Its blocks of Python run top to bottom in
one namespace when the site is built, so they need no files and take seconds. Beside it may be a
module docs/tutorial/figures/name.py (`-` becomes `_`). On the page are three marks and one block:

    <!-- figure: dogs -->          the figure that the module's function `dogs` returns
    <!-- live: iou -->             an interactive figure, a `Live` from the function `live_iou`
    <!-- value: f"{iou:.2f}" -->   an expression: names of the blocks, or of the module
    ```exercise                    TOML: see exercises.py

Each mark of a figure stands on a line of its own. Notebooks are made from the same file.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tutorial.drawing import Figure, Live
from tutorial.exercises import Exercise, read_exercise

__all__ = ["FOLDER", "Lesson", "Part", "find_lessons"]

FOLDER = Path(__file__).parent
BLOCK = re.compile(
    r"^```(?P<language>python|exercise)\n(?P<code>.*?)^```$"
    r"|^<!-- (?P<mark>figure|live): (?P<name>[\w-]+) -->$",
    re.MULTILINE | re.DOTALL,
)
VALUE = re.compile(r"<!-- value: (.+?) -->")
SCRIPTS = ("live/live.js", "live/exercises.js")


@dataclass(frozen=True)
class Part:
    """Piece of a lesson: text, code, an exercise or a figure."""

    kind: str  # "text", "python", "exercise", "figure" or "live"
    content: str  # of a figure, its name


@dataclass(frozen=True)
class Lesson:
    """One page of the tutorial."""

    path: Path

    @property
    def name(self) -> str:
        """The file's name without its ending."""
        return self.path.stem

    @cached_property
    def parts(self) -> list[Part]:
        """Split the file into text, code, exercises and figures, in order."""
        text, found, end = self.path.read_text(encoding="utf-8"), [], 0
        for match in BLOCK.finditer(text):
            found.append(Part("text", text[end : match.start()]))
            kind = match["mark"] or match["language"]
            found.append(Part(kind, match["name"] or match["code"]))
            end = match.end()
        return [*found, Part("text", text[end:])]

    @cached_property
    def figures(self) -> Any:
        """The module with its figures; None if it has none."""
        name = self.name.partition("-")[2].replace("-", "_")
        if not (FOLDER / f"figures/{name}.py").is_file():
            return None
        if str(FOLDER.parent) not in sys.path:
            sys.path.append(str(FOLDER.parent))  # of the other drawings of the documentation
        return importlib.import_module(f"tutorial.figures.{name}")

    @cached_property
    def namespace(self) -> dict[str, Any]:
        """Run all blocks of Python; the names of the module are there, too."""
        names = dict(vars(self.figures)) if self.figures else {}
        with contextlib.redirect_stdout(io.StringIO()):
            for part in self.parts:
                if part.kind == "python":
                    exec(compile(part.content, str(self.path), "exec"), names)
        return names

    @cached_property
    def exercises(self) -> list[Exercise]:
        """The exercises, in order."""
        return [read_exercise(one.content) for one in self.parts if one.kind == "exercise"]

    def fill_values(self, text: str) -> str:
        """Replace the marks of values."""
        return VALUE.sub(lambda mark: str(eval(mark[1], self.namespace)), text)

    def draw(self, kind: str, name: str) -> Figure | Live:
        """Call the function that a mark names."""
        function = f"live_{name}" if kind == "live" else name
        draw: Callable[[], Figure | Live] = getattr(self.figures, function.replace("-", "_"))
        return draw()

    def to_page(self) -> str:
        """Write the Markdown of the page, with all marks replaced."""
        return "".join(self._page_parts())

    def _page_parts(self) -> Iterator[str]:
        """Write part by part; the link to the notebook follows the title."""
        scripts, number = list(SCRIPTS), 0
        for part in self.parts:
            match part.kind:
                case "text":
                    yield self.fill_values(part.content)
                case "python":
                    yield f"```python\n{part.content}```"
                case "exercise":
                    yield self.exercises[number].to_html(number + 1, self.namespace)
                    number += 1
                case _:
                    drawn = self.draw(part.kind, part.content)
                    yield drawn.to_html(part.content)
                    if isinstance(drawn, Live):
                        scripts.append(f"live/{drawn.script or part.content}.js")
        yield f"\n\n[This lesson as a notebook](notebooks/{self.name}.ipynb){{ .notebook }}\n\n"
        yield "\n".join(
            f'<script src="{script}" defer></script>' for script in dict.fromkeys(scripts)
        )


def find_lessons() -> list[Lesson]:
    """Find the lessons, in order."""
    return [Lesson(path) for path in sorted(FOLDER.glob("[0-9][0-9]-*.md"))]
