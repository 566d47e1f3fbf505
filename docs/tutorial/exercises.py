"""Exercises that check themselves: on the page, in the notebook and in the tests.

A block of TOML; expressions take the names of the lesson's blocks of Python.

    question = "8 detections are dogs, 3 are not. What is the precision?"
    kind = "number"                 # answered by a number, or a fraction such as 5/8
    answer = "5 / 8"                # an expression
    tolerance = 0.001
    hint = "…"
    solution = "…"

    kind = "choice"
    choices = ["higher", "lower"]   # a, b, …
    answer = "b"
    check = "0.5 < 0.7"             # an expression that must be true if the answer is right

    kind = "code"                   # in the notebook; the page takes the number that it prints
    start = "def area(box):\n    ..."
    code = "def area(box):\n    …"  # a solution
    checks = "assert area([0, 0, 2, 3]) == 6"
    answer = "area([1, 2, 3, 4])"
"""

from __future__ import annotations

from html import escape
from textwrap import indent
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from singleshot.backports import tomllib

__all__ = ["ChoiceExercise", "CodeExercise", "Exercise", "NumberExercise", "read_exercise"]

LETTERS = "abcdefgh"
NUMBER_FIELD = (
    "<label>Your answer "
    '<input type="text" inputmode="decimal" autocomplete="off" size="12"></label>'
)


class _Exercise(BaseModel):
    """Fields of every exercise; text is Markdown."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    question: str
    hint: str
    solution: str

    def to_html(self, number: int, namespace: dict[str, Any]) -> str:
        """Write it into a page, with a form that live/exercises.js checks."""
        lines = [
            f'<div class="exercise" id="exercise-{number}" {self._data(namespace)} markdown>',
            f"**Exercise {number}.** {self.question.strip()}",
            self._before_form(),
            f'<form>{self._fields(number)} <button type="submit">Check</button> '
            '<output aria-live="polite"></output></form>',
            f'??? tip "Hint"\n{indent(self.hint.strip(), "    ")}',
            f'??? success "Solution"\n{indent(self.full_solution(), "    ")}',
            "</div>",
        ]
        return "\n\n".join(filter(None, lines))

    def _before_form(self) -> str:
        return ""

    def full_solution(self) -> str:
        """Return the text of the solution, with code where there is any."""
        return self.solution.strip()

    def _data(self, namespace: dict[str, Any]) -> str:
        raise NotImplementedError

    def _fields(self, number: int) -> str:
        raise NotImplementedError


class _AnsweredByNumber(_Exercise):
    """Exercises whose form on the page takes a number."""

    answer: str  # an expression, in a code exercise after its code
    tolerance: float = 0.0005

    def right_answer(self, namespace: dict[str, Any]) -> float:
        """Compute the answer."""
        return float(eval(self.answer, namespace))

    def _data(self, namespace: dict[str, Any]) -> str:
        right = self.right_answer(namespace)
        return f'data-kind="number" data-answer="{right!r}" data-tolerance="{self.tolerance!r}"'

    def _fields(self, number: int) -> str:
        del number
        return NUMBER_FIELD


class NumberExercise(_AnsweredByNumber):
    """Answered by a number."""

    kind: Literal["number"]

    def cells(self, number: int) -> tuple[str, str]:
        """Write the notebook's cell to fill in, and the one that checks it."""
        name = f"answer_{number}"
        check = (
            f"assert {name} is not ..., 'Write a number in place of the dots.'\n"
            f"assert abs({name} - ({self.answer})) <= {self.tolerance!r}, 'Not yet.'\n"
            "print('Right.')"
        )
        return f"{name} = ...", check

    def solved_cell(self, number: int) -> str:
        """Fill in the cell."""
        return f"answer_{number} = {self.answer}"

    def wrong_cell(self, number: int) -> str:
        """Fill in the cell wrongly."""
        return f"answer_{number} = {self.answer} + 1 + 2 * {self.tolerance!r}"


class ChoiceExercise(_Exercise):
    """Answered by one of several choices."""

    kind: Literal["choice"]
    choices: Annotated[tuple[str, ...], Field(min_length=2, max_length=len(LETTERS))]
    answer: str  # a letter
    check: str = "True"  # an expression that is true if the answer is right

    def right_answer(self, namespace: dict[str, Any]) -> str:
        """Return the letter; raises ValueError where the check disagrees."""
        if not eval(self.check, namespace) or self.answer not in LETTERS[: len(self.choices)]:
            raise ValueError(f"{self.answer} is not right by {self.check}: {self.question}")
        return self.answer

    def _data(self, namespace: dict[str, Any]) -> str:
        return f'data-kind="choice" data-answer="{self.right_answer(namespace)}"'

    def _fields(self, number: int) -> str:
        options = "".join(
            f'<label><input type="radio" name="exercise-{number}" value="{letter}">'
            f" {escape(text)}</label>"
            for letter, text in zip(LETTERS, self.choices, strict=False)
        )
        return f"<fieldset><legend>Choose one</legend>{options}</fieldset>"

    def cells(self, number: int) -> tuple[str, str]:
        """Write the notebook's cell to fill in, and the one that checks it."""
        name = f"answer_{number}"
        listed = "".join(
            f"# {letter}: {text}\n" for letter, text in zip(LETTERS, self.choices, strict=False)
        )
        check = f"assert {name} == {self.answer!r}, 'Not yet.'\nprint('Right.')"
        return f"{listed}{name} = ...", check

    def solved_cell(self, number: int) -> str:
        """Fill in the cell."""
        return f"answer_{number} = {self.answer!r}"

    def wrong_cell(self, number: int) -> str:
        """Fill in the cell wrongly."""
        wrong = next(letter for letter in LETTERS if letter != self.answer)
        return f"answer_{number} = {wrong!r}"


class CodeExercise(_AnsweredByNumber):
    """Answered by code in the notebook, and on the page by a number that the code gives."""

    kind: Literal["code"]
    start: str
    code: str
    checks: str

    def right_answer(self, namespace: dict[str, Any]) -> float:
        """Run the solution, and compute the number that the page takes."""
        names = dict(namespace)
        exec(self.code, names)
        return super().right_answer(names)

    def _before_form(self) -> str:
        return (
            f"```python\n{self.start.strip()}\n```\n\n"
            f"Write it in the notebook or in Python. Then: what is `{self.answer}`?"
        )

    def full_solution(self) -> str:
        """Return the text of the solution, and its code."""
        return f"{self.solution.strip()}\n\n```python\n{self.code.strip()}\n```"

    def cells(self, number: int) -> tuple[str, str]:
        """Write the notebook's cell to fill in, and the one that checks it."""
        del number
        return self.start.strip(), f"{self.checks.strip()}\nprint('Right.')"

    def solved_cell(self, number: int) -> str:
        """Fill in the cell."""
        del number
        return self.code

    def wrong_cell(self, number: int) -> str:
        """Leave the cell as it is."""
        del number
        return self.start


Exercise = NumberExercise | ChoiceExercise | CodeExercise
_READER: TypeAdapter[Exercise] = TypeAdapter(
    Annotated[NumberExercise | ChoiceExercise | CodeExercise, Field(discriminator="kind")]
)


def read_exercise(text: str) -> Exercise:
    """Read a block; raises pydantic's ValidationError where a key is unknown or missing."""
    return _READER.validate_python(tomllib.loads(text))
