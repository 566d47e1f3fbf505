"""Copies of images, for formats that are written."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from singleshot.data.archives import Member
from singleshot.errors import DataError

if TYPE_CHECKING:
    from singleshot.data.dataset import DataSet
else:
    DataSet = Any  # importing it would import PyTorch, which recognising does without

__all__ = ["copy_images"]


def copy_images(dataset: DataSet, folder: Path) -> list[Path]:
    """Copy the images of a data set into a folder; those that lie there already stay.

    Raises:
        DataError: two images have the same file name.
    """
    targets = [folder / Path(path).name for path in dataset.paths]
    if len(set(targets)) < len(targets):
        twice = next(target for target in targets if targets.count(target) > 1)
        raise DataError(f"{twice}: two images have this name; rename one")
    folder.mkdir(parents=True, exist_ok=True)
    for source, target in zip(dataset.paths, targets, strict=True):
        if not (target.exists() and target.samefile(source)):
            _copy(Path(source), target)
    return targets


def _copy(source: Path, target: Path) -> None:
    """Copy a file, or write one that lies inside another."""
    member = Member.of(source)
    if member is None:
        shutil.copyfile(source, target)
    else:
        target.write_bytes(member.read())
