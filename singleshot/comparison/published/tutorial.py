"""The tutorial that the project follows: its systems, its tables as printed, and its slips."""

from __future__ import annotations

import tomllib
from importlib import resources
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict

__all__ = ["Cell", "System", "Tutorial", "TutorialRow", "TutorialTable", "read_tutorial"]


class Quoted(BaseModel):
    """Something that the tutorial says."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Cell(Quoted):
    """A cell of a table as printed, and the slips it has part in."""

    cell: str
    notes: tuple[str, ...] = ()


def as_cell(content: object) -> object:
    """Text alone is a cell without notes."""
    return {"cell": content} if isinstance(content, str) else content


class System(Quoted):
    """A detection system, and the recipe that builds it."""

    recipe: str
    name: str
    boxes: str  # as published
    paper: str
    notes: tuple[str, ...] = ()


Cells = tuple[Annotated[Cell, BeforeValidator(as_cell)], ...]


class TutorialRow(Quoted):
    """What a table says of one system."""

    name: str
    recipe: str
    cells: Cells


class TutorialTable(Quoted):
    """One of its tables, a system a row."""

    title: str
    printed: Cells  # the heads of the columns
    rows: tuple[TutorialRow, ...]
    notes: tuple[str, ...] = ()


class Tutorial(Quoted):
    """All that is taken from it."""

    systems: tuple[System, ...]
    tables: tuple[TutorialTable, ...]
    slips: dict[str, str]  # what is found instead, by the key that notes use


def read_tutorial() -> Tutorial:
    """The file that is shipped."""
    file = resources.files("singleshot.comparison.published").joinpath("tutorial.toml")
    return Tutorial.model_validate(tomllib.loads(file.read_text(encoding="utf-8")))
