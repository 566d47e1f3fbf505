"""Symbolic links that lead out of the folder of a data set, to annotations elsewhere.

Such a link in a data set from elsewhere would show what else is on the machine: as class names, or
quoted in an error. Links to images are checked one by one, where images are found.

Imports no PyTorch.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from singleshot.data.findings import KINDS
from singleshot.errors import DataError, some_of

__all__ = ["refuse_outside_links"]

_ANNOTATIONS = re.compile(
    r".+\.(csv|data|json|jsonl|names|pbtxt|record|safetensors|tar|tfrec|tfrecords?|tsv|txt|xml|ya?ml)(-[\d-]+of-\d+)?",
    re.IGNORECASE,
)
_MOST_LEVELS = 100  # of folders; the search for files is recursive
_DEEPEST = 3  # levels of a linked folder in which annotations are looked for


def refuse_outside_links(folder: Path) -> None:
    """Raise DataError where an annotation file, or a folder with some, is a link out of here."""
    root = os.path.realpath(folder)
    outside = []
    for entry in _links_below(folder):
        target = os.path.realpath(entry.path)
        if target != root and not target.startswith(root.rstrip(os.sep) + os.sep):
            is_read = _ANNOTATIONS.fullmatch(entry.name) if entry.is_file() else _holds(entry.path)
            if is_read:
                outside.append(f"{os.path.relpath(entry.path, folder)} to {target}")
    if outside:
        kind = KINDS["outside-link"]
        raise DataError(
            f"{folder}: {kind.describe(len(outside))}: {some_of(sorted(outside))}; {kind.remedy}"
        )


def _links_below(folder: Path) -> Iterator[os.DirEntry[str]]:
    """Yield the links in a folder and in those below, which links do not belong to."""
    waiting = [(str(folder), 0)]
    while waiting:
        place, depth = waiting.pop()
        if depth > _MOST_LEVELS:
            raise DataError(f"{folder}: has folders in folders, more than {_MOST_LEVELS} deep")
        try:
            with os.scandir(place) as entries:
                for entry in entries:
                    if entry.is_symlink() and not entry.name.startswith("."):
                        yield entry
                    elif entry.is_dir(follow_symlinks=False) and not entry.name.startswith("."):
                        waiting.append((entry.path, depth + 1))
        except OSError:  # no permission: nothing in it is read
            continue


def _holds(folder: str, depth: int = 1) -> bool:
    """Check whether a folder has annotation files, by their names alone."""
    try:
        with os.scandir(folder) as entries:
            return any(
                _ANNOTATIONS.fullmatch(entry.name) is not None
                or (depth < _DEEPEST and entry.is_dir() and _holds(entry.path, depth + 1))
                for entry in entries
            )
    except OSError:  # no folder, or a link to nothing
        return False
