"""Names of splits: from the one a user gives to the one in the data set."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from singleshot.errors import DataError

__all__ = [
    "choose_split",
    "in_split",
    "join_years",
    "matching_splits",
    "names_split",
    "require_file_names",
]

_File = TypeVar("_File")

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
    existing = f"it has {', '.join(available)}"
    if not available:
        existing = "it has no splits of its own; singleshot data split DATA OUT makes some"
    raise DataError(f"{path}: there is no split {name!r}; {existing}")


def in_split(files: Mapping[str, _File], split: str | None, path: Path) -> list[_File]:
    """List the file of a split, or those of all; raises DataError as `choose_split` does."""
    names = tuple(files) if split is None else (choose_split(split, tuple(files), path),)
    return [files[name] for name in names]


def require_file_names(splits: Iterable[str]) -> None:
    """Raise DataError for a split that a file cannot be named after, as formats do that write one.

    Names come from annotations, which others may have written: `../x` would leave the folder.
    """
    for name in splits:
        if not name.strip(". ") or re.search(r"[/\\:\0]", name):
            raise DataError(
                f"split {name!r}: not on every system can a file be named after it; rename it in "
                f"the annotations, or choose others with --split"
            )


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
