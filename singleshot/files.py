"""Atomic writes: a file appears whole or not at all; and hashes of files."""

import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from singleshot.errors import StorageError

__all__ = [
    "flush_to_disk",
    "hash_file",
    "remove_partial_files",
    "require_writable",
    "write_atomically",
]

_PARTIAL = re.compile(r"\..+\.(\d+)\.part")  # the number is that of the process that writes it
_HASHED_AT_ONCE = 1 << 20  # bytes


@contextmanager
def write_atomically(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside the file, and rename it to the file at the end.

    Raises:
        StorageError: full disk and the like. After any error the old file is untouched.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield beside
        flush_to_disk(beside)
        beside.replace(path)
        _flush_folder(path.parent)
    except (FileExistsError, NotADirectoryError) as error:
        raise StorageError(
            f"{path}: not written: a file is where a folder is needed; choose another path"
        ) from error
    except OSError as error:
        raise StorageError(
            f"{path}: not written: {error.strerror or error}; the previous file is untouched"
        ) from error
    finally:
        with suppress(NotADirectoryError):
            beside.unlink(missing_ok=True)


def hash_file(path: Path) -> str:
    """Compute the SHA-256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_HASHED_AT_ONCE):
            digest.update(block)
    return digest.hexdigest()


def require_writable(path: Path) -> None:
    """Raise StorageError before hours of work if the file cannot be written."""
    if path.is_dir():
        raise StorageError(f"{path}: is a folder; choose the path of a file")
    above = next(folder for folder in path.absolute().parents if folder.exists())
    if not above.is_dir():
        raise StorageError(
            f"{path}: {above} is a file where a folder is needed; choose another path"
        )
    if not os.access(above, os.W_OK):
        raise StorageError(f"{path}: no permission to write into {above}; choose another path")


def remove_partial_files(folder: Path) -> None:
    """Delete the temporary files of processes that were killed while writing."""
    for path in folder.rglob(".*.part"):
        match = _PARTIAL.fullmatch(path.name)
        if match and not is_alive(int(match[1])):
            path.unlink(missing_ok=True)


def is_alive(process: int) -> bool:
    """Check for another process with this number."""
    if process == os.getpid():
        return False  # a killed process had the same number, in a restarted container
    if os.name != "posix":
        return True  # maybe: on Windows os.kill would end it
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _flush_folder(folder: Path) -> None:
    """Flush a folder, so that a new file name and the order of writes survive a power cut."""
    if os.name == "posix":  # Windows opens no folders
        number = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)


def flush_to_disk(path: Path) -> None:
    """Flush a file before it is renamed: a power cut could leave an empty file otherwise."""
    with path.open("r+b") as file:  # Windows flushes what is open for writing
        os.fsync(file.fileno())
