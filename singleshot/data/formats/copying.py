"""Copies of images, for formats that are written."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from singleshot.data.image_files.archives import Member
from singleshot.errors import DataError, StorageError

if TYPE_CHECKING:
    from singleshot.data.dataset import DataSet
else:
    DataSet = Any  # importing it would import PyTorch, which recognising does without

__all__ = ["CopyReport", "copy_images", "reporting_copies", "unique_names"]


@dataclass
class CopyReport:
    """Way in which images are copied, and new names of some."""

    link: bool  # hard links where the file system allows them
    renamed: dict[str, str] = field(default_factory=dict)  # path of the image: new name
    num_copied: int = 0
    num_linked: int = 0


# The functions that write formats need not pass on how images are copied.
_report: ContextVar[CopyReport | None] = ContextVar("copies", default=None)


@contextmanager
def reporting_copies(*, link: bool = False) -> Iterator[CopyReport]:
    """Copy (or link) images inside the block, and report what was renamed."""
    report = CopyReport(link)
    token = _report.set(report)
    try:
        yield report
    finally:
        _report.reset(token)


def copy_images(dataset: DataSet, folder: Path, *, unique_stems: bool = False) -> list[Path]:
    """Copy the images of a data set into a folder; those that lie there already stay.

    Images of the same name, or stem where `unique_stems`, get the folders in which they differ
    before it: `cam1/7.jpg` and `cam2/7.jpg` become `cam1_7.jpg` and `cam2_7.jpg`.

    Raises:
        DataError: an image does not exist.
        StorageError: a copy cannot be written.
    """
    report = _report.get() or CopyReport(link=False)
    targets = [folder / name for name in unique_names(dataset, by_stem=unique_stems)]
    folder.mkdir(parents=True, exist_ok=True)
    for source, target in zip(map(Path, dataset.paths), targets, strict=True):
        if not (target.exists() and target.samefile(source)):
            _copy(source, target, report)
    return targets


def _copy(source: Path, target: Path, report: CopyReport) -> None:
    """Copy a file, link it where that is possible, or write one that lies inside another."""
    member = Member.of(source)
    if member is not None:
        target.write_bytes(member.read())
        return
    if not source.exists():
        raise DataError(
            f"{source}: there is no such image; restore it, or name its folder: --images"
        )
    if report.link:
        try:
            os.link(source.resolve(), target)
        except OSError:  # another disk, or a file system without links
            pass
        else:
            report.num_linked += 1
            return
    try:
        shutil.copyfile(source, target)
        report.num_copied += 1
    except OSError as error:
        if error.filename == str(source) and error.filename2 is None:
            raise DataError(f"{source}: cannot be read: {error.strerror or error}") from error
        raise StorageError(f"{target}: not written: {error.strerror or error}") from error


def unique_names(dataset: DataSet, *, by_stem: bool) -> list[str]:
    """Choose file names that differ, whatever the case of letters; new ones are reported."""
    paths = [Path(path) for path in dataset.paths]
    names = _differing_names(paths, by_stem=by_stem)
    if (report := _report.get()) is not None:
        pairs = zip(paths, names, strict=True)
        report.renamed |= {str(path): name for path, name in pairs if path.name != name}
    return names


def _differing_names(paths: Sequence[Path], *, by_stem: bool) -> list[str]:
    """Put folders in which they differ before equal names, and numbers behind those left."""

    def key(name: str) -> str:
        return (Path(name).stem if by_stem else name).casefold()

    names = [path.name for path in paths]
    counts = Counter(map(key, names))
    alike: dict[str, list[int]] = {}
    for index, name in enumerate(names):
        if counts[key(name)] > 1:
            alike.setdefault(key(name), []).append(index)
    taken = {one for one, count in counts.items() if count == 1}
    for indices in alike.values():
        prefixes = _differing_folders([paths[index] for index in indices])
        for index, prefix in zip(indices, prefixes, strict=True):
            stem, suffix = paths[index].stem, paths[index].suffix
            first = name = f"{prefix}_{stem}{suffix}" if prefix else names[index]
            number = 1
            while key(name) in taken:
                number += 1
                name = f"{Path(first).stem}-{number}{suffix}"
            taken.add(key(name))
            names[index] = name
    return names


def _differing_folders(paths: Sequence[Path]) -> list[str]:
    """Join of each path the folders in which it differs from the others."""
    parents = [path.absolute().parent.parts for path in paths]
    if len(set(map(len, parents))) == 1:
        differ = [len(set(column)) > 1 for column in zip(*parents, strict=True)]
    else:
        common = len(
            Path(os.path.commonpath([str(path.absolute().parent) for path in paths])).parts
        )
        differ = [index >= common for index in range(max(map(len, parents)))]
    return [
        "_".join(part for part, keep in zip(parts, differ, strict=False) if keep)
        for parts in parents
    ]
