"""Figures of papers and projects, each with its source, its data or hardware, and a mark of trust."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources

__all__ = ["Figure", "published_figures"]


@dataclass(frozen=True)
class Figure:
    """One number as it was published; what does not apply to it is empty."""

    recipe: str  # ours for the system
    system: str
    metric: str
    value: float  # per cent, or pictures a second
    data: str  # what an accuracy was measured on
    trained_on: str
    hardware: str  # what a speed was measured on
    input: str
    source: str
    confidence: str  # verified (in the source or a copy), remembered, or as the tutorial has it


def published_figures() -> list[Figure]:
    """All of them, system by system."""
    sources = {row["source"]: row["text"] for row in rows_of("sources.csv")}
    return [
        Figure(
            **{
                **row,
                "value": float(row["value"]),
                "source": sources[row["source"]],
            }
        )
        for row in rows_of("figures.csv")
    ]


def rows_of(name: str) -> Iterator[dict[str, str]]:
    """The rows of a table that is shipped."""
    text = resources.files("singleshot.published").joinpath(name).read_text(encoding="utf-8")
    return iter(csv.DictReader(text.splitlines()))
