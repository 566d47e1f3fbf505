"""The page of the tutorial's tables."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from markupsafe import Markup

from singleshot.comparison.page import rounded, whole
from singleshot.comparison.tutorial_tables import TutorialResult
from singleshot.files import write_atomically
from singleshot.report.page import HERE, content_hash, environment

__all__ = ["write_tutorial"]


def write_tutorial(result: TutorialResult, path: Path, *, command: str, version: str) -> Path:
    """Write one HTML file that needs no other and no network; returns its path."""
    with write_atomically(path) as beside:
        beside.write_text(render(result, command=command, version=version), encoding="utf-8")
    return path


def render(result: TutorialResult, *, command: str, version: str) -> str:
    """Fill in the page; everything from outside is escaped."""
    filled = environment()
    filled.filters |= {"rounded": rounded, "whole": whole}
    script = (HERE / "comparison.js").read_text(encoding="utf-8")
    return filled.get_template("tutorial.html").render(
        result=result,
        systems=list(result.systems.values()),
        marks={name: mark for mark, name in enumerate(slips_in_order(result), start=1)},
        command=command,
        version=version,
        script=Markup(script),
        script_hash=content_hash(script),
    )


def slips_in_order(result: TutorialResult) -> list[str]:
    """The slips as the page comes upon them, each once."""

    def all_notes() -> Iterable[str]:
        for table in result.tutorial.tables:
            yield from table.notes
            for cells in (table.printed, *(row.cells for row in table.rows)):
                for cell in cells:
                    yield from cell.notes
        for system in result.tutorial.systems:
            yield from system.notes

    return list(dict.fromkeys(all_notes()))
