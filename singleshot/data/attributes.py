"""What else is known of each picture (the weather, the camera), from a table beside the data."""

from __future__ import annotations

import csv
from pathlib import Path

from singleshot.data.dataset import DataSet
from singleshot.errors import DataError

__all__ = ["read_attributes"]


def read_attributes(path: Path, dataset: DataSet) -> dict[str, tuple[str, ...]]:
    """Read a CSV file whose first column names a picture and whose others are its attributes.

    A picture is named by its file name, with or without extension; one that is not in the table has
    the value "" throughout, and rows about other pictures are passed over.

    Returns:
        For each attribute its values, one a picture of the data set.

    Raises:
        DataError: no such file, no attribute in it, a row of another length, a picture named twice,
            or no row about any picture of the data set.
    """
    names, rows = read_table(path)
    known: dict[str, list[str]] = {}
    for number, row in enumerate(rows, start=2):
        if len(row) != 1 + len(names):
            raise DataError(
                f"{path}, line {number}: has {len(row)} values, but the first line names "
                f"{1 + len(names)} columns; correct the line"
            )
        if row[0] in known:
            raise DataError(f"{path}, line {number}: {row[0]!r} is there twice; remove one")
        known[row[0]] = row[1:]
    nothing = [""] * len(names)
    of_pictures = [Path(picture) for picture in dataset.paths]
    found = [known.get(one.name, known.get(one.stem, nothing)) for one in of_pictures]
    if all(one is nothing for one in found):
        raise DataError(
            f"{path}: its first column names no picture of {dataset.description}; "
            f"write file names such as {of_pictures[0].name}"
        )
    return {
        name: tuple(values) for name, values in zip(names, zip(*found, strict=True), strict=True)
    }


def read_table(path: Path) -> tuple[list[str], list[list[str]]]:
    """The names of the attributes, and the rows below them that are not blank."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            header, *rows = [row for row in csv.reader(file) if row] or [[]]
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: is no CSV table in UTF-8: {error}") from error
    if len(header) < 2:
        raise DataError(
            f"{path}: names no attribute; its first line should be such as picture,weather,time"
        )
    return header[1:], rows
