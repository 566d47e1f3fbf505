"""Shards: tar files as webdataset reads them, with an index that opens a million images at once.

cells/
  index.safetensors       all annotations, and where in which file each image is
  train-000000.tar        000000000.jpg, 000000000.json, 000000001.jpg, …
  train-000001.tar

Images are not unpacked: their paths are places in the tar files (`image_files.archives`). A
split of several shards is shuffled when it is written, so that each shard is a fair sample of it.
The boxes are those of the image as displayed: one that has an EXIF orientation, which readers of
shards ignore, is written upright, encoded anew.

Tar files without our index are read in one pass (`samples`), with each opening.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from singleshot.data.formats.annotations import Annotations
from singleshot.data.formats.format import Format
from singleshot.data.formats.shards.names import INDEX, find_index, index_content
from singleshot.data.formats.split_names import choose_split, names_split
from singleshot.data.remote.shard_cache import is_cached, origin_of
from singleshot.errors import DataError
from singleshot.files import without_hidden

if TYPE_CHECKING:
    from singleshot.data.dataset import DataSet
    from singleshot.data.formats.shards.index import Shard
else:
    DataSet = Shard = Any  # recognising does without what they import

__all__ = ["FORMAT"]

_TAR = re.compile(r"(?P<name>.*?)[-_.]?\d*\.tar", re.IGNORECASE)


def _recognise(path: Path) -> bool:
    """Check for our index, or for a tar file that begins with samples."""
    from singleshot.data.formats.shards.samples import holds_samples  # noqa: PLC0415

    if find_index(path) is not None:
        return True
    tars = _tars(path)
    return bool(tars) and holds_samples(next(iter(tars.values()))[0])


def _splits(path: Path) -> tuple[str, ...]:
    """List the splits of the index, or those that the names of the tar files begin with."""
    index = find_index(path)
    return tuple(_tars(path)) if index is None else tuple(map(str, index_content(index)["splits"]))


def _read(path: Path, split: str | None = None) -> DataSet | list[Annotations]:
    """Open the index; without one, read the samples of all tar files.

    Raises:
        DataError: the index is damaged, a shard is missing or of another size, the split unknown.
    """
    file = find_index(path)
    if file is None:
        return _read_tars(path, split)
    from singleshot.data.formats.shards.index import load_index  # noqa: PLC0415 (PyTorch)

    chosen = None if split is None else choose_split(split, _splits(path), path)
    of_split = "" if chosen is None else f", split {chosen}"
    remote = is_cached(file)
    place = origin_of(file.parent) if remote else path
    index = load_index(file, description=f"{FORMAT.name} layout{of_split} of {place}")
    if not remote:
        _require_shards(file.parent, index.shards)
    return index.dataset if chosen is None else index.of_split(chosen)


def _require_shards(folder: Path, shards: Sequence[Shard]) -> None:
    """Raise DataError unless all shards are there, as large as they were written."""
    wrong = []
    for name, size, _ in shards:
        try:
            found = (folder / name).stat().st_size
        except OSError:
            wrong.append(f"{folder / name}: is missing; copy it beside {INDEX}")
            continue
        if found != size:
            what = "is cut short:" if found < size else "is another file:"
            wrong.append(f"{folder / name}: {what} {found:,} of {size:,} bytes; copy it again")
    if wrong:
        more = f"\n  and {len(wrong) - 5} more" if len(wrong) > 5 else ""
        raise DataError("\n  ".join(wrong[:5]) + more)


def _read_tars(path: Path, split: str | None) -> list[Annotations]:
    """Read the samples of tar files, those of a split together."""
    from singleshot.data.formats.shards.samples import read_samples  # noqa: PLC0415

    tars = _tars(path)
    names = tuple(tars) if split is None else (choose_split(split, tuple(tars), path),)
    root = path if path.is_dir() else path.parent
    return [read_samples(tars[name], root) for name in names]


def _tars(path: Path) -> dict[str, list[Path]]:
    """Map each split to its tar files, in order of their numbers."""
    candidates = [path] if path.is_file() else sorted(without_hidden(path.iterdir()))
    tars: dict[str, list[Path]] = {}
    for file in candidates:
        if (found := _TAR.fullmatch(file.name)) and file.is_file():
            last = re.split(r"[-_.]", found["name"])[-1]
            tars.setdefault(last if names_split(last) else found["name"], []).append(file)
    return tars


def _write(
    dataset: DataSet, path: Path, *, splits: Mapping[str, Sequence[int]] | None = None
) -> None:
    """Write shards of about 256 MB and their index; see `writing`."""
    from singleshot.data.formats.shards.writing import write_shards  # noqa: PLC0415 (PyTorch)

    write_shards(dataset, path, splits=splits)


FORMAT = Format(
    name="shards",
    layout=f"shards ({INDEX} and its tar files, or WebDataset tar files with boxes in JSON)",
    recognise=_recognise,
    splits=_splits,
    read=_read,
    write=_write,
)
