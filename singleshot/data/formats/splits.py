"""Names of splits: what a person asks for, and what the data set calls it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from singleshot.errors import DataError

__all__ = ["alike", "choose_split"]


def choose_split(wanted: str, available: Sequence[str], path: Path) -> str:
    """The one split that is meant.

    Raises:
        DataError: there is none, or several differ by their year.
    """
    found = alike(wanted, available)
    if len(found) == 1:
        return found[0]
    if found:
        choices = f"say which: {', '.join(found)}, or several: {'+'.join(found)}"
        raise DataError(f"{path}: there is more than one split {wanted!r}; {choices}")
    existing = f"it has {', '.join(available)}" if available else "it has no splits of its own"
    raise DataError(f"{path}: there is no split {wanted!r}; {existing}")


def alike(wanted: str, available: Sequence[str]) -> tuple[str, ...]:
    """The split of this name, else those that only add a year to it.

    COCO writes the year behind (`train2017`), a VOCdevkit root in front (`2007-trainval`).
    """
    if wanted in available:
        return (wanted,)
    name = re.escape(wanted)
    return tuple(split for split in available if re.fullmatch(rf"{name}\d+|\d+-{name}", split))
