"""Attributes of images (weather, camera), from a CSV table, to evaluate subsets by."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from singleshot.data.dataset import DataSet
from singleshot.errors import DataError
from singleshot.evaluation.predictions.image_names import path_parts

__all__ = ["read_attributes"]

RESERVED = {"box size", "aspect ratio", "crowding"}  # subsets of every diagnosis


def read_attributes(
    path: Path, dataset: DataSet, on_message: Callable[[str], None]
) -> dict[str, tuple[str, ...]]:
    """Read a CSV file whose first column names an image and whose others are its attributes.

    An image is named by the end of its path, with or without extension: its file name, and folders
    where several have the same. Images that are not in the table have the value "" and are counted
    in a message; rows about other images are ignored.

    Returns:
        For each attribute its values, one for each image of the data set.

    Raises:
        DataError: no such file, no attribute in it, an attribute or an image named twice, a name
            of several images, a row of another length, or no row about any image of the data set.
    """
    names, rows = _read_table(path)
    known: dict[tuple[str, ...], list[str]] = {}
    for number, row in enumerate(rows, start=2):
        if len(row) != 1 + len(names):
            raise DataError(
                f"{path}, line {number}: has {len(row)} values, expected {1 + len(names)} as in "
                f"the first line; correct the line"
            )
        image = _plain_parts(row[0])
        if image in known:
            raise DataError(f"{path}, line {number}: {row[0]!r} occurs twice; remove one")
        known[image] = row[1:]
    found = [[""] * len(names)] * len(dataset)
    path_of: dict[tuple[str, ...], str] = {}  # of the image that a row is about
    num_unknown = 0
    for index, image_path in enumerate(dataset.paths):
        parts = _plain_parts(str(Path(image_path).absolute()))
        endings = (parts[first:] for first in range(len(parts)))  # the longest first
        ending = next(filter(known.__contains__, endings), None)
        if ending is None:
            num_unknown += 1
            continue
        if (other := path_of.setdefault(ending, image_path)) != image_path:
            raise DataError(
                f"{path}: {'/'.join(ending)!r} names {other} and {image_path}; write their folders "
                f"as well"
            )
        found[index] = known[ending]
    if num_unknown == len(found):
        raise DataError(
            f"{path}: its first column names no image of {dataset.description}; "
            f"write file names such as {Path(dataset.paths[0]).name}"
        )
    if num_unknown:
        on_message(f"{path}: {num_unknown} of {len(found)} images are not in the table")
    return {
        name: tuple(values) for name, values in zip(names, zip(*found, strict=True), strict=True)
    }


def _plain_parts(name: str) -> tuple[str, ...]:
    """Split the name of an image into folders and stem."""
    return tuple(part for part in path_parts(name) if part not in ("", "."))


def _read_table(path: Path) -> tuple[list[str], list[list[str]]]:
    """Read the names of the attributes, and the rows below them that are not blank."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            header, *rows = [row for row in csv.reader(file) if row] or [[]]
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: is not a CSV table in UTF-8: {error}") from error
    if len(header) < 2:
        raise DataError(f"{path}: has no attribute; write a first line such as image,weather,time")
    if twice := [name for name, count in Counter(header[1:]).items() if count > 1]:
        raise DataError(f"{path}: two columns are called {twice[0]!r}; rename one")
    if reserved := RESERVED.intersection(header[1:]):
        raise DataError(f"{path}: {reserved.pop()!r} is a reserved name; rename the column")
    return header[1:], rows
