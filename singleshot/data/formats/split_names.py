"""Names of splits: from the one a user gives to the one in the data set."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from singleshot.errors import DataError

__all__ = ["choose_split", "join_years", "matching_splits", "names_split"]

_NAMES = ("train", "training", "val", "valid", "validation", "dev", "test", "testing")


def choose_split(name: str, available: Sequence[str], path: Path) -> str:
    """Find the split of the data set at `path` that a user means by a name.

    Raises:
        DataError: there is none, or several differ by their year.
    """
    found = matching_splits(name, available)
    if len(found) == 1:
        return found[0]
    if found:
        choices = f"choose one of {', '.join(found)}, or join them: {'+'.join(found)}"
        raise DataError(f"{path}: there is more than one split {name!r}; {choices}")
    existing = f"it has {', '.join(available)}" if available else "it has no splits of its own"
    raise DataError(f"{path}: there is no split {name!r}; {existing}")


def matching_splits(name: str, available: Sequence[str]) -> tuple[str, ...]:
    """Find the split of this name, else those that only add a year to it.

    COCO writes the year behind (`train2017`), a VOCdevkit root in front (`2007-trainval`), CVAT a
    capital (`Train`).
    """
    if name in available:
        return (name,)
    pattern = re.compile(rf"{re.escape(name)}\d*|\d+-{re.escape(name)}", re.IGNORECASE)
    return tuple(split for split in available if pattern.fullmatch(split))


def join_years(name: str, available: Sequence[str]) -> str | None:
    """Find what to take by default for a name, None without such a split.

    In a VOCdevkit root those are the splits of all years, `2007-test+2012-test`, which share no
    image; those of COCO do.
    """
    found = matching_splits(name, available)
    if len(found) > 1 and all(split[0].isdecimal() for split in found):
        return "+".join(found)
    return name if found else None


def names_split(folder: str) -> bool:
    """Check whether a folder is named as a split usually is, perhaps with a number: `train2017`."""
    return folder.lower().rstrip("0123456789").rstrip("-_ ") in _NAMES
