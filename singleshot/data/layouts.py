"""Layouts of folders: annotations at the top, in a folder for each split, or one deeper.

cells/            cells/               cells-master/
  (a format)        train/ (a format)    cells/ (a format)
                    valid/ (a format)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from singleshot.data.formats.annotations import Annotations
from singleshot.data.formats.format import Format
from singleshot.data.formats.split_names import choose_split, matching_splits, names_split
from singleshot.files import without_hidden

if TYPE_CHECKING:
    from singleshot.data.dataset import DataSet
else:
    DataSet = Any  # importing it would import PyTorch, which recognising does without

__all__ = ["Layout", "find_layouts"]

_DEEPEST = 4  # folders in a folder that are looked into


@dataclass(frozen=True)
class Layout:
    """A format, and the folders that it reads: the one given, or one for each split."""

    format: Format
    path: Path  # that was given
    parts: tuple[tuple[str, Path], ...]  # names of splits and their folders; "" for no split

    @property
    def is_split(self) -> bool:
        """Check whether each folder is a split."""
        return self.parts[0][0] != ""

    @property
    def splits(self) -> tuple[str, ...]:
        """Names of the splits."""
        if self.is_split:
            return tuple(name for name, _ in self.parts)
        return self.format.splits(self.parts[0][1])

    @property
    def derived_splits(self) -> Mapping[str, str]:
        """Names of splits that are made of those, and in words of which."""
        return {} if self.is_split else self.format.derived_splits(self.parts[0][1])

    def name_of(self, split: str) -> str:
        """Return the name of a split as the data set has it, such as `val2017` for `val`."""
        found = matching_splits(split, self.splits)
        return found[0] if len(found) == 1 else self.derived_splits.get(split, split)

    def read(self, split: str | None) -> Iterator[Annotations | DataSet]:
        """Read the annotations of a split, or of all."""
        if not self.is_split:
            yield from _list_parts(self.format.read(self.parts[0][1], split))
            return
        chosen = None if split is None else choose_split(split, self.splits, self.path)
        for name, folder in self.parts:
            if chosen in (None, name):
                yield from _list_parts(self.format.read(folder, None))


def find_layouts(path: Path, formats: Sequence[Format]) -> list[Layout]:
    """Find each format that the data set could be read as, the likeliest first."""
    folder = path
    for _ in range(_DEEPEST):
        found = [Layout(one, path, (("", folder),)) for one in formats if one.recognise(folder)]
        if found or not folder.is_dir():
            return found
        folders = sorted(child for child in without_hidden(folder.iterdir()) if child.is_dir())
        named = [child for child in folders if names_split(child.name)]
        for one in formats:
            holding = [child for child in named if one.recognise(child)]
            if holding:
                found.append(Layout(one, path, tuple((child.name, child) for child in holding)))
        if found or len(folders) != 1:
            return found
        # The folder in a folder that unpacking an archive leaves.
        folder = folders[0]
    return []


def _list_parts(read: Sequence[Annotations] | DataSet) -> list[Annotations | DataSet]:
    return [read] if not isinstance(read, Sequence) else [*read]
