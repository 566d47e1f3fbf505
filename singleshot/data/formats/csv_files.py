"""Tables of annotations as text: rows, numbers, and the images that they name."""

from __future__ import annotations

import codecs
import csv
import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple, TypeVar

from singleshot.data.formats.entries import as_number
from singleshot.data.image_files.suffixes import image_suffixes
from singleshot.errors import DataError
from singleshot.files import without_hidden

__all__ = [
    "Row",
    "first_row",
    "group_tables",
    "image_reference",
    "list_tables",
    "names_image",
    "plain_key",
    "read_decimal",
    "read_rows",
    "write_rows",
]

_Table = TypeVar("_Table")

SUFFIXES = (".csv", ".tsv")
SEPARATORS = (",", ";", "\t")
_PROBED = 1 << 14  # bytes
_NOT_LETTERS = re.compile(r"[\s_\-.()]+")


class Row(NamedTuple):
    """A row of a table, with the line that it ends on."""

    line: int
    cells: list[str]


def list_tables(folders: Iterable[Path]) -> list[Path]:
    """List the CSV files of some folders, by name; of a file, itself."""
    found: list[Path] = []
    for place in folders:
        inside = [place] if place.is_file() else place.glob("*") if place.is_dir() else []
        found += sorted(
            file
            for file in without_hidden(inside)
            if file.suffix.lower() in SUFFIXES and file.is_file()
        )
    return found


def group_tables(
    path: Path,
    folders: Sequence[str],
    detect: Callable[[Path], _Table | None],
    name_split: Callable[[Path], str],
) -> dict[str, list[_Table]]:
    """Map each split to its tables: those that are detected in a file, or in folders below `path`.

    Several files may be of one split.
    """
    places = [path] if path.is_file() else [path / folder for folder in folders]
    tables: dict[str, list[_Table]] = {}
    for file in list_tables(places):
        if (table := detect(file)) is not None:
            tables.setdefault(name_split(file), []).append(table)
    return tables


def first_row(file: Path, accepts: Callable[[Sequence[str]], bool]) -> tuple[str, list[str]] | None:
    """Find the separator by which the first row is one that a format accepts; None for none."""
    try:
        with file.open("rb") as opened:
            begin = opened.read(_PROBED)
    except OSError:
        return None
    text = begin.decode(_encoding(begin), "replace")
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines:
        return None
    for separator in SEPARATORS:
        try:
            cells = next(csv.reader(lines[:1], delimiter=separator, skipinitialspace=True))
        except csv.Error:
            continue
        cells = [cell.strip() for cell in cells]
        if accepts(cells):
            return separator, cells
    return None


def read_rows(file: Path, separator: str) -> Iterator[Row]:
    """Yield the rows, cells without spaces at their ends; empty rows are left out.

    Raises:
        DataError: the file is no text in UTF-8 or UTF-16, or not readable.
    """
    line = 1
    try:
        with file.open("rb") as opened:
            encoding = _encoding(opened.read(4))
        with file.open(encoding=encoding, newline="") as text:
            reader = csv.reader(text, delimiter=separator, skipinitialspace=True)
            for cells in reader:
                line = reader.line_num
                stripped = [cell.strip() for cell in cells]
                if any(stripped):
                    yield Row(line, stripped)
    except UnicodeDecodeError:
        raise DataError(
            f"{file}, after line {line}: is not UTF-8; save the table as CSV in UTF-8"
        ) from None
    except csv.Error as error:
        raise DataError(f"{file}, line {line}: is no CSV ({error}); export it anew") from None
    except OSError as error:
        raise DataError(f"{file}: cannot be read ({error}); export it anew") from error


def write_rows(file: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a table with commas, in UTF-8."""
    with file.open("w", encoding="utf-8", newline="") as opened:
        writer = csv.writer(opened, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def read_decimal(text: str) -> float | None:
    """Read a finite number, also one with a decimal comma; None for anything else."""
    try:
        number = float(text)
    except ValueError:
        return None if text.count(",") != 1 or "." in text else as_number(text.replace(",", "."))
    return number if math.isfinite(number) else None


def plain_key(name: str) -> str:
    """Reduce the name of a column: `X_Min (px)`, `x-min px` and `xMinPx` are the same."""
    return _NOT_LETTERS.sub("", name).lower()


def image_reference(text: str) -> tuple[str, str | None]:
    """Return the (name, stem) by which an image is found: the one or the other, by its suffix."""
    return (text, None) if names_image(text) else ("", text)


def names_image(text: str) -> bool:
    """Check whether a cell is the name of an image file, perhaps with folders."""
    return PurePosixPath(text.replace("\\", "/")).suffix.lower() in image_suffixes()


def _encoding(begin: bytes) -> str:
    """Detect UTF-16 by its first bytes; everything else must be UTF-8."""
    if begin.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    return "utf-8-sig"
