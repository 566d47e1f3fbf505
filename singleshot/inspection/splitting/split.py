"""Splitting a data set: choose the parts, write a new data set with them."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from singleshot.data.converting import describe_copies
from singleshot.data.dataset import DataSet
from singleshot.data.formats import coco
from singleshot.data.formats.copying import CopyReport, reporting_copies
from singleshot.data.formats.format import Format
from singleshot.data.opening import format_of, read_dataset
from singleshot.data.stratification import stratified_parts, stratified_subset
from singleshot.files import require_outside, write_folder_atomically
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
        StorageError: the folder is not empty, lies in the data set or cannot be written.
    """
    with options.displayed() as displayed:
        return _split(Path(data), displayed)


def _split(data: Path, options: SplitOptions) -> SplitResult:
    """Choose the parts, with the functions of a display in the options, and write them."""
    require_outside(Path(options.out), data)
    dataset = read_dataset(data, options.split, options.reading, images="required")
    for line in (dataset.description, *dataset.notes):
        options.notify(line)
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
    written, report = _write(dataset, parts, data, options)
    done = {"copied": len(dataset) - report.num_linked, "hard-linked": report.num_linked}
    counts = " and ".join(f"{count} {how}" for how, count in done.items() if count)
    options.notify(f"{options.out}: {written.name} layout, images: {counts}")
    for line in describe_copies(report):
        options.notify(line)
    return SplitResult(
        folder=Path(options.out),
        format=written.name,
        class_names=dataset.class_names,
        parts={name: PartContent.of(dataset, indices) for name, indices in parts.items()},
        groups=groups,
        linked=report.num_linked,
    )


def _write(
    dataset: DataSet, parts: Mapping[str, Sequence[int]], source: Path, options: SplitOptions
) -> tuple[Format, CopyReport]:
    """Write the data set; returns its format and how the images are copied."""
    chosen = format_of(source, options.reading)
    with write_folder_atomically(Path(options.out)) as folder:
        with reporting_copies(link=options.link) as report:
            chosen.write(dataset, folder, splits=parts)
        if set(parts) <= set(chosen.splits(folder)):
            return chosen, report
        options.notify(f"{chosen.name} has no splits: written in {coco.FORMAT.name} layout")
        shutil.rmtree(folder)
        folder.mkdir()
        with reporting_copies(link=options.link) as report:
            coco.FORMAT.write(dataset, folder, splits=parts)
        return coco.FORMAT, report
