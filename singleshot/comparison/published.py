"""Published numbers of the original detectors: quoted with their source, never measured here.

`figures.csv` holds single numbers of papers and projects, `tutorial.toml` the tables of the
tutorial that the project follows, as printed, with their errata. `trade_offs.csv` holds speed and
accuracy by framework and feature extractor, of the study that the tutorial's figure is from.
"""

from __future__ import annotations

import csv
from importlib import resources
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict

from singleshot.backports import tomllib

__all__ = [
    "PublishedFigure",
    "PublishedTradeOff",
    "Tutorial",
    "TutorialCell",
    "TutorialRow",
    "TutorialSystem",
    "TutorialTable",
    "read_published_figures",
    "read_published_trade_offs",
    "read_tutorial",
]


class _Quote(BaseModel):
    """Anything quoted; unknown keys in the shipped files are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class PublishedFigure(_Quote):
    """One number as it was published; fields that do not apply to it are empty."""

    recipe: str  # ours for the system
    system: str
    metric: str
    value: float  # per cent, or images a second
    data: str  # images that an accuracy was measured on
    trained_on: str
    hardware: str  # that a speed was measured on
    input: str
    source: str
    confidence: Literal["verified", "remembered", "tutorial"]  # in the source, or in what else


class PublishedTradeOff(_Quote):
    """Accuracy of a framework with a feature extractor, and its speed where one is published."""

    framework: str
    extractor: str  # the backbone
    variant: str
    average_precision: float  # COCO's AP, per cent
    data: str
    milliseconds: float | None
    hardware: str
    input: str  # of the network, or of the image that was timed
    source: str
    confidence: Literal["verified"]


class TutorialCell(_Quote):
    """A cell of a table as printed, and the errata it refers to."""

    cell: str
    notes: tuple[str, ...] = ()


class TutorialSystem(_Quote):
    """A detection system, and the recipe that builds it."""

    recipe: str
    name: str
    boxes: str  # as published
    paper: str
    notes: tuple[str, ...] = ()


def _as_cell(content: object) -> object:
    """Read text alone as a cell without notes."""
    return {"cell": content} if isinstance(content, str) else content


_Cells = tuple[Annotated[TutorialCell, BeforeValidator(_as_cell)], ...]


class TutorialRow(_Quote):
    """One system in a table."""

    name: str
    recipe: str
    cells: _Cells


class TutorialTable(_Quote):
    """A table of the tutorial, one system a row."""

    title: str
    printed: _Cells  # the heads of the columns
    rows: tuple[TutorialRow, ...]
    notes: tuple[str, ...] = ()


class Tutorial(_Quote):
    """Systems, tables and errata of the tutorial."""

    systems: tuple[TutorialSystem, ...]
    tables: tuple[TutorialTable, ...]
    errata: dict[str, str]  # the correction, by the key that notes use


def read_published_figures() -> list[PublishedFigure]:
    """Read all published figures, system by system."""
    return [PublishedFigure.model_validate(row) for row in _rows_of("figures.csv")]


def read_published_trade_offs() -> list[PublishedTradeOff]:
    """Read published accuracies and speeds by framework and feature extractor."""
    return [
        PublishedTradeOff.model_validate({**row, "milliseconds": row["milliseconds"] or None})
        for row in _rows_of("trade_offs.csv")
    ]


def _rows_of(name: str) -> list[dict[str, str]]:
    """Read the rows of a shipped table, with the text of their sources."""
    sources = {row["source"]: row["text"] for row in csv.DictReader(_lines_of("sources.csv"))}
    return [{**row, "source": sources[row["source"]]} for row in csv.DictReader(_lines_of(name))]


def read_tutorial() -> Tutorial:
    """Read the systems, tables and errata of the tutorial."""
    return Tutorial.model_validate(tomllib.loads("\n".join(_lines_of("tutorial.toml"))))


def _lines_of(name: str) -> list[str]:
    """Read the lines of a shipped file."""
    folder = resources.files("singleshot.comparison") / "published_data"
    return (folder / name).read_text(encoding="utf-8").splitlines()
