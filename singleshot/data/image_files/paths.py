"""Paths of the images of a data set, in a few arrays.

An array of text takes four bytes for each character of the longest path: 300 MB for a million
images. Here each folder or archive is kept once, and of each image its name and its place in the
archive: 45 MB.

Imports no more of the package than `archives`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, overload

import numpy as np
import torch
from jaxtyping import Bool, Int32, Int64, UInt8
from torch import Tensor

__all__ = ["ImagePaths", "as_slice", "take_ragged"]

# Names that are no Unicode, as Python decodes them, survive.
_ENCODING, _ERRORS = "utf-8", "surrogatepass"
_MEMBER = re.compile(r"(?P<archive>.+)#(?P<offset>0|[1-9]\d{0,17})\+(?P<length>0|[1-9]\d{0,17})")
_NO_MEMBER = -1  # offset and length of an image that is a file of its own
_AT_ONCE = 1 << 16  # images whose names are copied together


@dataclass(frozen=True, eq=False)
class ImagePaths(Sequence[str]):
    """Paths of images, as text by index; the arrays are tensors, which processes share.

    Where an array of text is needed, NumPy makes one: `np.asarray(paths)`.
    """

    folders: tuple[str, ...]  # with the separator at the end; of archives, their paths
    folder_of: Int32[Tensor, " n"]
    names: UInt8[Tensor, " bytes"]  # all names, end to end
    name_ends: Int64[Tensor, " n"]
    offsets: Int64[Tensor, " n"]  # in the archive; -1: a file of its own
    lengths: Int64[Tensor, " n"]

    @classmethod
    def of(cls, paths: Iterable[Any]) -> ImagePaths:
        """Store paths: text or `Path`."""
        folders: dict[str, int] = {}
        columns: tuple[list[int], list[int], list[int]] = ([], [], [])
        names: list[bytes] = []
        for path in paths:
            folder, name, offset, length = _split(str(path))
            number = folders.setdefault(folder, len(folders))
            for column, value in zip(columns, (number, offset, length), strict=True):
                column.append(value)
            names.append(name.encode(_ENCODING, _ERRORS))
        folder_of, offsets, lengths = columns
        ends = np.fromiter(map(len, names), np.int64, len(names)).cumsum()
        return cls(
            tuple(folders),
            torch.tensor(folder_of, dtype=torch.int32),
            torch.frombuffer(bytearray(b"".join(names)), dtype=torch.uint8)
            if any(names)
            else torch.zeros(0, dtype=torch.uint8),
            torch.from_numpy(ends),
            torch.tensor(offsets, dtype=torch.int64),
            torch.tensor(lengths, dtype=torch.int64),
        )

    def __len__(self) -> int:
        return len(self.folder_of)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice | Sequence[int] | np.ndarray | Tensor) -> ImagePaths: ...

    def __getitem__(self, index: Any) -> str | ImagePaths:
        """Return the path of an image, or those of a slice, of indices or of a mask."""
        if isinstance(index, int | np.integer):
            return self._path(range(len(self))[index], self._arrays())
        if isinstance(index, slice):
            index = range(len(self))[index]
        chosen = index if isinstance(index, Tensor) else torch.from_numpy(np.array(index))
        if chosen.dtype == torch.bool:
            chosen = torch.nonzero(chosen).flatten()
        return self.take(chosen.to(torch.int64))

    def __iter__(self) -> Iterator[str]:
        arrays = self._arrays()
        return (self._path(index, arrays) for index in range(len(self)))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """Make an array of text, as wide as the longest path."""
        return np.array(self.tolist(), dtype=np.str_ if dtype is None else dtype)

    def __eq__(self, other: object) -> Any:
        """Compare each path, as arrays do."""
        if isinstance(other, str):
            return np.fromiter((path == other for path in self), np.bool_, len(self))
        return np.asarray(self) == np.asarray(other)

    __hash__ = None  # type: ignore[assignment]

    def tolist(self) -> list[str]:
        """List all paths."""
        return list(self)

    def isin(self, others: Iterable[str]) -> Bool[np.ndarray, " n"]:
        """Mark the paths that are among others."""
        known = set(others)
        return np.fromiter((path in known for path in self), np.bool_, len(self))

    def by_text(self) -> Int64[np.ndarray, " n"]:
        """Return the indices of the paths in alphabetical order."""
        texts = self.tolist()
        return np.array(sorted(range(len(texts)), key=texts.__getitem__), dtype=np.int64)

    def take(self, chosen: Int64[Tensor, " m"]) -> ImagePaths:
        """Select paths; those that lie one behind the other are not copied."""
        part = as_slice(chosen)
        if part is not None:
            start = int(self.name_ends[part.start - 1]) if part.start else 0
            ends = self.name_ends[part] - start
            stop = start + (int(ends[-1]) if len(ends) else 0)
            names = self.names[start:stop]
        else:
            names, ends = take_ragged(self.names, self.name_ends, chosen)
        picked: Any = chosen if part is None else part
        return replace(
            self,
            folder_of=self.folder_of[picked],
            names=names,
            name_ends=ends,
            offsets=self.offsets[picked],
            lengths=self.lengths[picked],
        )

    @classmethod
    def join(cls, parts: Sequence[ImagePaths]) -> ImagePaths:
        """Join paths, one after the other."""
        folders = {name: None for part in parts for name in part.folders}
        number_of = {name: number for number, name in enumerate(folders)}
        numbers = [
            torch.tensor([number_of[name] for name in part.folders], dtype=torch.int32)
            for part in parts
        ]
        starts = np.cumsum([0, *(len(part.names) for part in parts)]).tolist()
        return cls(
            tuple(folders),
            torch.cat([new[part.folder_of] for new, part in zip(numbers, parts, strict=True)]),
            torch.cat([part.names for part in parts]),
            torch.cat([part.name_ends + start for part, start in zip(parts, starts, strict=False)]),
            torch.cat([part.offsets for part in parts]),
            torch.cat([part.lengths for part in parts]),
        )

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the tensors alone, not what is derived from them."""
        return type(self), tuple(getattr(self, field.name) for field in fields(self))

    def _path(self, index: int, arrays: tuple[np.ndarray, ...]) -> str:
        folder_of, names, ends, offsets, lengths = arrays
        start = ends[index - 1] if index else 0
        encoded: bytes = names[start : ends[index]].tobytes()
        name = encoded.decode(_ENCODING, _ERRORS)
        folder: str = self.folders[folder_of[index]]
        offset = offsets[index]
        if offset == _NO_MEMBER:
            return folder + name
        return f"{folder}#{offset}+{lengths[index]}{os.sep}{name}"

    def _arrays(self) -> tuple[np.ndarray, ...]:
        """View the tensors as arrays, whose items are read faster.

        Not kept: a tensor that is handed to another process moves into shared memory, and an array
        would point to where it was.
        """
        columns = (self.folder_of, self.names, self.name_ends, self.offsets, self.lengths)
        return tuple(column.numpy() for column in columns)


def _split(path: str) -> tuple[str, str, int, int]:
    """Split a path into folder or archive, name, and the place in the archive."""
    cut = max(path.rfind("/"), path.rfind(os.sep)) + 1
    folder, name = path[:cut], path[cut:]
    if folder.endswith(os.sep) and (found := _MEMBER.fullmatch(folder[: -len(os.sep)])):
        return found["archive"], name, int(found["offset"]), int(found["length"])
    return folder, name, _NO_MEMBER, _NO_MEMBER


def as_slice(chosen: Int64[Tensor, " m"]) -> slice | None:
    """Return the slice that is the same as these indices; None where there is none."""
    if not len(chosen):
        return slice(0, 0)
    first, last = int(chosen[0]), int(chosen[-1])
    is_run = last - first == len(chosen) - 1 and first >= 0 and bool((chosen.diff() == 1).all())
    return slice(first, last + 1) if is_run else None


def take_ragged(
    values: Tensor, ends: Int64[Tensor, " n"], chosen: Int64[Tensor, " m"]
) -> tuple[Tensor, Int64[Tensor, " m"]]:
    """Select rows of different lengths, which lie end to end; returns them and their new ends."""
    lengths = ends.diff(prepend=ends.new_zeros(1))[chosen]
    new_ends = lengths.cumsum(0)
    taken = values.new_empty(int(lengths.sum()), *values.shape[1:])
    # In parts: the places of all values would take eight times as much memory as the values.
    for start in range(0, len(chosen), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        first = int(new_ends[start - 1]) if start else 0
        # Value v of the result is value v + shift of ours; the shift is constant within a row.
        shift = (ends[chosen[part]] - new_ends[part]).repeat_interleave(lengths[part])
        places = torch.arange(first, first + len(shift)) + shift
        taken[first : first + len(shift)] = values[places]
    return taken, new_ends
