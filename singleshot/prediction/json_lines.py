"""Results as JSON lines: one line for each image or frame, there as soon as it is known."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import FileIO
from pathlib import Path
from typing import Any

from singleshot.errors import StorageError

__all__ = ["JsonLines", "open_json_lines"]


class JsonLines:
    """A file of JSON lines that is being written; without a file, nothing is."""

    def __init__(self, path: Path | None, file: FileIO | None) -> None:
        self._path, self._file = path, file

    def write(self, document: Mapping[str, Any]) -> None:
        """Write one line, which is in the file afterwards.

        Raises:
            StorageError: full disk and the like; the lines before are there.
        """
        if self._file is None:
            return
        try:
            self._file.write(json.dumps(document, allow_nan=False).encode() + b"\n")
        except OSError as error:
            raise StorageError(
                f"{self._path}: not written any further: {error.strerror or error}; the lines "
                f"before are there"
            ) from error


@contextmanager
def open_json_lines(path: str | Path | None) -> Iterator[JsonLines]:
    """Open a file for JSON lines; None gives one that writes nothing.

    Raises:
        StorageError: the file cannot be written.
    """
    if path is None:
        yield JsonLines(None, None)
        return
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("wb", buffering=0)
    except OSError as error:
        raise StorageError(
            f"{path}: not written: {error.strerror or error}; choose another path"
        ) from error
    with file:
        yield JsonLines(path, file)
