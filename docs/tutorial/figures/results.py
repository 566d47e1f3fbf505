"""Measured numbers of benchmarks/results, for lessons 15 and 16."""

from __future__ import annotations

import re
from pathlib import Path

__all__ = ["as_markdown", "first_number", "read_table"]

RESULTS = Path(__file__).resolve().parents[3] / "benchmarks/results"

Row = dict[str, str]  # cells by the head of their column


def read_table(file: str, heading: str) -> list[Row]:
    """Read the first table below a heading that contains this text; empty cells repeat the last.

    Raises ValueError where there is none.
    """
    text = (RESULTS / file).read_text(encoding="utf-8")
    place = re.search(rf"^#.*{re.escape(heading)}.*$", text, re.MULTILINE)
    lines = text[place.end() :].splitlines() if place else []
    starts = [index for index, line in enumerate(lines) if line.startswith("|")]
    if not starts:
        raise ValueError(f"benchmarks/results/{file}: no table below a heading with {heading!r}")
    head, _, *rows = _table_at(lines, starts[0])
    last: list[str] = [""] * len(head)
    found = []
    for row in rows:
        last = [cell or before for cell, before in zip(row, last, strict=True)]
        found.append(dict(zip(head, last, strict=True)))
    return found


def _table_at(lines: list[str], start: int) -> list[list[str]]:
    """Split the lines of a table into cells."""
    table = []
    for line in lines[start:]:
        if not line.startswith("|"):
            break
        table.append([cell.strip() for cell in line.strip().strip("|").split("|")])
    return table


def first_number(cell: str) -> float:
    """Read the first number of a cell."""
    found = re.search(r"-?\d*\.?\d+", cell)
    if found is None:
        raise ValueError(f"no number in {cell!r}")
    return float(found[0])


def as_markdown(rows: list[Row], columns: dict[str, str]) -> str:
    """Write columns of a table, by the name that they get."""
    lines = [f"| {' | '.join(columns.values())} |", "|" + "---|" * len(columns)]
    for row in rows:
        lines.append(f"| {' | '.join(row[column] for column in columns)} |")
    return "\n".join(lines)
