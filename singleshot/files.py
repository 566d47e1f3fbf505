"""Files appear whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from singleshot.errors import StorageError

__all__ = ["appears_whole"]


@contextmanager
def appears_whole(path: Path) -> Iterator[Path]:
    """Give a path beside the file to write to; at the end it takes the file's place in one step.

    When anything goes wrong, the old file stays as it was. Raises StorageError, naming the file,
    for a full disk and the like.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield beside
        flush_to_disk(beside)
        beside.replace(path)
    except OSError as error:
        raise StorageError(
            f"{path}: not written: {error.strerror or error}; what was there before is untouched"
        ) from error
    finally:
        with suppress(NotADirectoryError):
            beside.unlink(missing_ok=True)


def flush_to_disk(path: Path) -> None:
    """Or a power cut could leave an empty file under the final name."""
    with path.open("r+b") as file:  # Windows flushes what is open for writing
        os.fsync(file.fileno())
