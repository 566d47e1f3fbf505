"""Lines of text files, several files end to end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from singleshot.errors import DataError

__all__ = ["Line", "TextSource", "batches_of_lines", "lines_of", "parse_number", "wrong_columns"]

LONGEST_LINE = 10_000  # characters; a line of numbers has a hundred
BATCH = 20_000  # lines


class Line(NamedTuple):
    """A line that is not blank, cut at its blanks."""

    path: Path
    number: int  # from 1
    cells: list[str]


@dataclass(frozen=True)
class TextSource:
    """Source of rows that are lines of text."""

    lines: list[Line]
    images: list[str]
    class_names: list[str]

    def place(self, row: int) -> str:
        """Name the file and the line."""
        return f"{self.lines[row].path}, line {self.lines[row].number}"

    def text(self, row: int) -> str:
        """Quote the line without needless blanks."""
        return " ".join(self.lines[row].cells)[:200]

    def image(self, row: int) -> str:
        """Name the image as in the line or the name of the file."""
        return self.images[row]

    def class_name(self, row: int) -> str:
        """Name the class as in the line or the name of the file."""
        return self.class_names[row]


def batches_of_lines(paths: Iterable[Path]) -> Iterator[list[Line]]:
    """Read the lines of all files, some thousands at a time; DataError if one cannot be read."""
    lines = (line for path in paths for line in lines_of(path))
    while batch := list(islice(lines, BATCH)):
        yield batch


def lines_of(path: Path) -> Iterator[Line]:
    """Read the lines of one file; DataError for an overlong line, before it is read whole."""
    try:
        with path.open(encoding="utf-8-sig") as file:
            texts = iter(lambda: file.readline(LONGEST_LINE), "")
            for number, text in enumerate(texts, start=1):
                if len(text) == LONGEST_LINE:
                    raise DataError(
                        f"{path}, line {number}: is longer than {LONGEST_LINE} characters: "
                        f"{text[:50]}…; this is no text of detections"
                    )
                if cells := text.split():
                    yield Line(path, number, cells)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: is no text in UTF-8 ({error.reason}); export it anew") from None


def wrong_columns(line: Line, remedy: str) -> DataError:
    """Make the error of a line with more or fewer columns than expected."""
    return DataError(
        f"{line.path}, line {line.number}: has {len(line.cells)} columns: "
        f"{' '.join(line.cells)[:200]}; {remedy}"
    )


def parse_number(cell: str) -> float:
    """Parse a number; NaN when it is none."""
    try:
        return float(cell)
    except ValueError:
        return float("nan")
