"""Files appear whole or not at all."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from singleshot.errors import StorageError

__all__ = ["appears_whole", "flush_to_disk", "remove_leftovers", "require_writable"]

BESIDE = re.compile(r"\..+\.(\d+)\.part")  # the number is that of the process that writes it


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
        flush_folder(path.parent)
    except (FileExistsError, NotADirectoryError) as error:
        raise StorageError(
            f"{path}: not written: a file stands where a folder is wanted; name another place"
        ) from error
    except OSError as error:
        raise StorageError(
            f"{path}: not written: {error.strerror or error}; what was there before is untouched"
        ) from error
    finally:
        with suppress(NotADirectoryError):
            beside.unlink(missing_ok=True)


def require_writable(path: Path) -> None:
    """Raise StorageError now rather than after hours of work, when a file cannot go there."""
    if path.is_dir():
        raise StorageError(f"{path}: is a folder; name a file")
    above = next(folder for folder in path.absolute().parents if folder.exists())
    if not above.is_dir():
        raise StorageError(
            f"{path}: {above} is a file where a folder is wanted; name another place"
        )
    if not os.access(above, os.W_OK):
        raise StorageError(f"{path}: no permission to write into {above}; name another place")


def remove_leftovers(folder: Path) -> None:
    """Take away what processes left beside the files that they were killed in the middle of."""
    for path in folder.rglob(".*.part"):
        found = BESIDE.fullmatch(path.name)
        if found and not is_alive(int(found[1])):
            path.unlink(missing_ok=True)


def is_alive(process: int) -> bool:
    """Whether there is a process with this number; not asked of ourselves, who know."""
    if process == os.getpid():
        return False  # it had our number, in a container that was started again
    if os.name != "posix":
        return True  # maybe: on Windows the question would end it
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def flush_folder(folder: Path) -> None:
    """So that the new name outlasts a power cut, too, and files keep their order."""
    if os.name == "posix":  # Windows opens no folders
        number = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)


def flush_to_disk(path: Path) -> None:
    """Or a power cut could leave an empty file under the final name."""
    with path.open("r+b") as file:  # Windows flushes what is open for writing
        os.fsync(file.fileno())
