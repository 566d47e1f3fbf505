"""Opening a data set: detect its format, read its images or those of a split."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from singleshot.data.formats import coco, imglab, voc
from singleshot.data.formats.format import Format
from singleshot.data.formats.split_names import choose_split
from singleshot.errors import DataError
from singleshot.files import require_existing
from singleshot.plugins import with_registered

if TYPE_CHECKING:
    from singleshot.data.dataset import DataSet
else:
    DataSet = Any  # importing it would import PyTorch, which recognising does without

__all__ = ["FORMATS", "formats", "open_dataset", "require_splits", "splits_of"]

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
    from singleshot.data.dataset import join_datasets  # noqa: PLC0415 (imports PyTorch)

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


def require_splits(path: Path, splits: Sequence[str | None]) -> None:
    """Raise DataError for a missing path, an unknown layout or an unknown split; reads no image.

    Of `splits`, None is any, and `a+b` joins two.
    """
    data_format = _format_of(path)
    available, derived = data_format.splits(path), data_format.derived_splits(path)
    for split in splits:
        for name in () if split is None else split.split("+"):
            if name not in derived:
                choose_split(name, available, path)


def _format_of(path: Path) -> Format:
    """Detect the format: the first that recognises the path."""
    require_existing(path)
    for candidate in formats():
        if candidate.recognise(path):
            return candidate
    layouts = "\n              ".join(candidate.layout for candidate in formats())
    raise DataError(
        f"{path}: unknown layout of a data set\n"
        f"  looked for: {layouts}\n"
        f"  found:      {_contents(path)}\n"
        f"  do:         name the folder or file that has one of these layouts, or convert it"
    )


def _contents(path: Path) -> str:
    """Describe a folder or file for the error about an unknown layout."""
    if path.is_file():
        return "a file that is neither JSON nor such XML"
    names = sorted(entry.name + "/" * entry.is_dir() for entry in path.iterdir())
    more = f" and {len(names) - MOST_ENTRIES} more" if len(names) > MOST_ENTRIES else ""
    return ", ".join(names[:MOST_ENTRIES]) + more if names else "an empty folder"


def _without_repetition(dataset: DataSet) -> DataSet:
    """Drop the second copy of an image that two joined splits share."""
    import numpy as np  # noqa: PLC0415 (`require_splits` does without)

    _, first = np.unique(dataset.paths, return_index=True)
    if len(first) == len(dataset):
        return dataset
    return dataset.subset(sorted(first.tolist()), description=dataset.description)
