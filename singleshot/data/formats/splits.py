"""Names of splits: what a person asks for, and what the data set calls it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from singleshot.errors import DataError

__all__ = ["choose_split"]


def choose_split(wanted: str, available: Sequence[str], path: Path) -> str:
    """The split that is meant: the one of this name, else the only one that adds a year to it.

    COCO writes the year behind (`train2017`), a VOCdevkit root in front (`2007-trainval`).

    Raises:
        DataError: there is none, or several differ by their year.
    """
    if wanted in available:
        return wanted
    name = re.escape(wanted)
    alike = [split for split in available if re.fullmatch(rf"{name}[-_]?\d+|\d+-{name}", split)]
    if len(alike) == 1:
        return alike[0]
    if alike:
        raise DataError(
            f"{path}: {wanted!r} may be any of {', '.join(alike)}; say which, or {'+'.join(alike)}"
        )
    existing = f"it has {', '.join(available)}" if available else "it has no splits of its own"
    raise DataError(f"{path}: there is no split {wanted!r}; {existing}")
