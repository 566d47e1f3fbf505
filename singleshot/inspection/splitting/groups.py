"""Groups of images that must stay together: of a video, a camera, a patient, or near-duplicates."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Int64

from singleshot.data.dataset import DataSet
from singleshot.data.findings import count_of
from singleshot.data.image_files.duplicates import find_duplicates
from singleshot.errors import DataError, some_of
from singleshot.inspection.splitting.options import BY_FOLDER, BY_LOOK

__all__ = ["ImageGroups", "group_images"]


class ImageGroups(NamedTuple):
    """The group of each image."""

    numbers: Int64[np.ndarray, " n"]
    description: str  # "12 groups by folder, the largest of 40 images"


def group_images(
    dataset: DataSet,
    group_by: str,
    *,
    progress: Callable[[int, int], None] | None = None,
    on_message: Callable[[str], None] = lambda _: None,
) -> ImageGroups:
    """Group the images of a data set by a regular expression over their names, folder or look.

    An image whose name does not match, or that cannot be read, is a group of its own.

    Raises:
        DataError: no name matches, or all images are in one folder.
    """
    if group_by == BY_LOOK:
        duplicates = find_duplicates([str(path) for path in dataset.paths], progress=progress)
        if duplicates.unreadable:
            names = [Path(dataset.paths[index]).name for index in duplicates.unreadable]
            on_message(f"not compared, because they cannot be read: {some_of(names)}")
        numbers = duplicates.groups()
        return ImageGroups(numbers, _describe(numbers, "near-duplicates"))
    if group_by == BY_FOLDER:
        keys: list[str | None] = [str(Path(path).parent) for path in dataset.paths]
        if len(set(keys)) == 1:
            raise DataError(
                f"{keys[0]}: holds all images, so that they cannot be grouped by folder; group "
                f"them by their names, as in --group-by '(cam\\d+)_'"
            )
    else:
        keys = _keys_by_name(dataset, group_by, on_message)
    numbers = _number(keys)
    return ImageGroups(numbers, _describe(numbers, group_by))


def _keys_by_name(
    dataset: DataSet, expression: str, on_message: Callable[[str], None]
) -> list[str | None]:
    """Find the first group of the expression, or all that it matches, in each file name."""
    names = [Path(path).name for path in dataset.paths]
    matches = [re.search(expression, name) for name in names]
    keys = [None if one is None else one[1 if one.re.groups else 0] for one in matches]
    missing = [name for name, key in zip(names, keys, strict=True) if key is None]
    if len(missing) == len(names):
        raise DataError(
            f"{dataset.description}: {expression!r} matches no file name; they are such as "
            f"{some_of(names[:3])}"
        )
    if missing:
        on_message(
            f"{len(missing)} of {len(names)} names do not match {expression!r}, each is a group of "
            f"its own: {some_of(missing)}"
        )
    return keys


def _number(keys: list[str | None]) -> Int64[np.ndarray, " n"]:
    """Number the different keys; each None has a number of its own."""
    number_of: dict[object, int] = {}
    numbers = [
        number_of.setdefault((index,) if key is None else key, len(number_of))
        for index, key in enumerate(keys)
    ]
    return np.array(numbers, dtype=np.int64)


def _describe(numbers: Int64[np.ndarray, " n"], group_by: str) -> str:
    """Describe the number of groups and the largest."""
    sizes = np.bincount(numbers)
    sizes = sizes[sizes > 0]
    groups, largest = count_of(len(sizes), "groups"), count_of(int(sizes.max()), "images")
    return f"{groups} by {group_by}, the largest of {largest}"
