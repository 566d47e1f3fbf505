"""How data sets are named, and where a run goes that was given no place."""

import itertools
from collections.abc import Sequence
from pathlib import Path

__all__ = ["Data", "default_folder", "listed"]

Data = str | Path | Sequence[str | Path]


def listed(data: Data) -> list[Path]:
    """One path or several, as a list."""
    return [Path(data)] if isinstance(data, str | Path) else [Path(one) for one in data]


def default_folder(name: str, resume: bool) -> Path:
    """The first of runs/NAME, runs/NAME-2, … that is not there; to resume, the last that is."""
    names = itertools.chain([name], (f"{name}-{number}" for number in itertools.count(2)))
    last = folder = Path("runs", next(names))
    while folder.exists():
        last, folder = folder, Path("runs", next(names))
    return last if resume else folder
