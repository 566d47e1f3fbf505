"""Splitting a data set: choose the parts, write a new data set with them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from singleshot.data.dataset import DataSet
from singleshot.data.formats import coco
from singleshot.data.formats.format import Format
from singleshot.data.layouts import find_layouts
from singleshot.data.opening import formats, read_dataset
from singleshot.data.stratification import stratified_parts, stratified_subset
from singleshot.errors import DataError, StorageError, some_of
from singleshot.files import is_alive
from singleshot.inspection.splitting.groups import group_images
from singleshot.inspection.splitting.options import SplitOptions, parse_fractions
from singleshot.inspection.splitting.result import PartContent, SplitResult
from singleshot.options import takes

__all__ = ["split_dataset"]


@takes(SplitOptions)
def split_dataset(data: str | Path, options: SplitOptions) -> SplitResult:
    """Split a data set into parts that have all classes and share no group; write it anew.

    The parts are stratified by class and depend on the names of the images and the seed alone. The
    original is only read; the new folder appears whole or not at all, in the format of the original
    (COCO where that has no splits).

    Args:
        data: folder or file of annotated images.

    Raises:
        DataError: the data set cannot be read or has too few images, or no image.
        StorageError: the folder is not empty or cannot be written.
    """
    with options.displayed() as displayed:
        return _split(Path(data), displayed)


def _split(data: Path, options: SplitOptions) -> SplitResult:
    """Choose the parts, with the functions of a display in the options, and write them."""
    dataset = read_dataset(data, options.split, options.reading, images="required")
    for line in (dataset.description, *dataset.notes):
        options.notify(line)
    _require_names(dataset)
    if options.number is not None:
        chosen = stratified_subset(dataset, options.number, seed=options.seed)
        dataset = dataset.subset(chosen, description=dataset.description)
    numbers, groups = None, ""
    if options.group_by is not None:
        progress = options.progress if callable(options.progress) else None
        numbers, groups = group_images(
            dataset, options.group_by, progress=progress, on_message=options.notify
        )
        options.notify(groups)
    fractions = parse_fractions(options.fractions)
    parts = stratified_parts(dataset, fractions, seed=options.seed, groups=numbers)
    written, linked = _write(dataset, parts, data, options)
    done = {"copied": len(dataset) - linked, "hard-linked": linked}
    counts = " and ".join(f"{count} {how}" for how, count in done.items() if count)
    options.notify(f"{options.out}: {written.name} layout, images: {counts}")
    return SplitResult(
        folder=Path(options.out),
        format=written.name,
        class_names=dataset.class_names,
        parts={name: PartContent.of(dataset, indices) for name, indices in parts.items()},
        groups=groups,
        linked=linked,
    )


def _require_names(dataset: DataSet) -> None:
    """Raise DataError for images that have one name: they could not be copied into one folder."""
    names, counts = np.unique([Path(path).name for path in dataset.paths], return_counts=True)
    if (counts > 1).any():
        several = some_of([str(name) for name in names[counts > 1]])
        raise DataError(
            f"{dataset.description}: several images have the same file name: {several}; rename "
            f"them, or split each folder"
        )


def _write(
    dataset: DataSet, parts: Mapping[str, Sequence[int]], source: Path, options: SplitOptions
) -> tuple[Format, int]:
    """Write the data set; returns its format and how many images are linked."""
    chosen = _format_of(source, options.data_format)
    with _whole_folder(Path(options.out)) as folder:
        chosen.write(dataset, folder, splits=parts)
        if not set(parts) <= set(chosen.splits(folder)):
            options.notify(f"{chosen.name} has no splits: written in {coco.FORMAT.name} layout")
            shutil.rmtree(folder)
            folder.mkdir()
            chosen = coco.FORMAT
            chosen.write(dataset, folder, splits=parts)
        return chosen, _link_images(dataset, folder) if options.link else 0


def _format_of(source: Path, name: str | None) -> Format:
    """Find the format that the data set was read as; `name` is what the user called it."""
    found = [layout.format for layout in find_layouts(source, formats())]
    named = [one for one in found if name is not None and one.name.lower() == name.lower()]
    return (named or found)[0]


def _link_images(dataset: DataSet, folder: Path) -> int:
    """Put hard links in the place of copies of images; returns how many could be made."""
    sources = {Path(path).name: Path(path) for path in dataset.paths}
    linked = 0
    for copy in [path for path in folder.rglob("*") if path.name in sources]:
        link = copy.with_name(f".{copy.name}.link")
        try:
            link.hardlink_to(sources[copy.name].resolve())
        except OSError:  # another file system, or one without hard links
            return linked
        link.replace(copy)
        linked += 1
    return linked


@contextmanager
def _whole_folder(folder: Path) -> Iterator[Path]:
    """Yield a folder beside, and give it its name at the end; after an error nothing is left.

    Raises:
        StorageError: it cannot be written.
    """
    beside = folder.with_name(f".{folder.name}.{os.getpid()}.part")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(folder)
        beside.mkdir()
        yield beside
        if folder.exists():
            folder.rmdir()
        beside.rename(folder)
    except OSError as error:
        raise StorageError(
            f"{folder}: not written: {error.strerror or error}; nothing was changed"
        ) from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _remove_abandoned(folder: Path) -> None:
    """Delete what processes left that were killed while they wrote this folder."""
    for left in folder.parent.glob(f".{folder.name}.*.part"):
        process = left.name.removeprefix(f".{folder.name}.").removesuffix(".part")
        if process.isdecimal() and not is_alive(int(process)):
            shutil.rmtree(left, ignore_errors=True)
