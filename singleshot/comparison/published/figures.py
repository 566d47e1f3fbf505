"""Figures of papers and projects, each with its source, its data or hardware, and its trust."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from importlib import resources
from typing import Literal

from pydantic import BaseModel, ConfigDict

__all__ = ["Figure", "published_figures"]


class Figure(BaseModel):
    """One number as it was published; what does not apply to it is empty."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    recipe: str  # ours for the system
    system: str
    metric: str
    value: float  # per cent, or images a second
    data: str  # what an accuracy was measured on
    trained_on: str
    hardware: str  # what a speed was measured on
    input: str
    source: str
    confidence: Literal["verified", "remembered", "tutorial"]  # in the source, or in what else


def published_figures() -> list[Figure]:
    """All of them, system by system."""
    sources = {row["source"]: row["text"] for row in rows_of("sources.csv")}
    return [
        Figure.model_validate({**row, "source": sources[row["source"]]})
        for row in rows_of("figures.csv")
    ]


def rows_of(name: str) -> Iterator[dict[str, str]]:
    """The rows of a table that is shipped."""
    text = (
        resources.files("singleshot.comparison.published")
        .joinpath(name)
        .read_text(encoding="utf-8")
    )
    return iter(csv.DictReader(text.splitlines()))
