"""Opening a data set: detect its format, read its images or those of a split."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from singleshot.data.dataset import DataSet, join_datasets
from singleshot.data.formats import coco, imglab, voc
from singleshot.data.formats.format import Format
from singleshot.errors import DataError
from singleshot.plugins import with_registered

__all__ = ["FORMATS", "formats", "open_dataset", "splits_of"]

# The first that recognises a data set reads it.
FORMATS = (voc.FORMAT, coco.FORMAT, imglab.FORMAT)

MOST_ENTRIES = 8  # of a folder, in an error


def formats() -> tuple[Format, ...]:
    """List all formats in the order in which they are tried; those of plugins come last."""
    return with_registered(FORMATS, Format)


def open_dataset(path: str | Path, split: str | None = None) -> DataSet:
    """Read a data set of any format: the images of a split (`a+b` joins two), or all.

    Raises:
        DataError: the path does not exist or has an unknown layout, the split is unknown or empty,
            or an annotation cannot be used.
    """
    path = Path(path)
    data_format = _format_of(path)
    names = [None] if split is None else split.split("+")
    dataset = _without_repetition(join_datasets([data_format.read(path, name) for name in names]))
    if not len(dataset):
        raise DataError(f"{dataset.description}: has no images; choose another split")
    return dataset


def splits_of(path: Path) -> tuple[str, ...]:
    """List the splits that a data set defines; raises DataError as `open_dataset` does."""
    return _format_of(path).splits(path)


def _format_of(path: Path) -> Format:
    """Detect the format: the first that recognises the path."""
    if not path.exists():
        raise DataError(f"{path}: there is no such folder or file")
    for candidate in formats():
        if candidate.recognise(path):
            return candidate
    layouts = "; ".join(candidate.layout for candidate in formats())
    raise DataError(f"{path}: unknown layout; looked for {layouts}; found {_contents(path)}")


def _contents(path: Path) -> str:
    """Describe a folder or file for the error about an unknown layout."""
    if path.is_file():
        return "a file that is neither JSON nor such XML"
    names = sorted(entry.name + "/" * entry.is_dir() for entry in path.iterdir())
    more = f" and {len(names) - MOST_ENTRIES} more" if len(names) > MOST_ENTRIES else ""
    return ", ".join(names[:MOST_ENTRIES]) + more if names else "an empty folder"


def _without_repetition(dataset: DataSet) -> DataSet:
    """Drop the second copy of an image that two joined splits share."""
    _, first = np.unique(dataset.paths, return_index=True)
    if len(first) == len(dataset):
        return dataset
    return dataset.subset(sorted(first.tolist()), description=dataset.description)
