"""Files: written whole or not at all, hashed, and why one from elsewhere cannot be read."""

import hashlib
import json
import os
import re
import shutil
import zipfile
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from glob import escape
from pathlib import Path
from typing import Any

from singleshot.errors import DataError, StorageError, some_of

__all__ = [
    "CACHE",
    "cache_folder",
    "describe_damage",
    "distinct_names",
    "flush_to_disk",
    "hash_file",
    "read_safetensors_header",
    "remove_partial_files",
    "require_empty_folder",
    "require_existing",
    "require_outside",
    "require_own_folder",
    "require_writable",
    "require_writable_folder",
    "walk_files",
    "without_hidden",
    "write_atomically",
    "write_folder_atomically",
]

_PARTIAL = re.compile(r"\..+\.(\d+)\.part")  # the number is that of the process that writes it
_HASHED_AT_ONCE = 1 << 20  # bytes
_LFS_POINTER = b"version https://git-lfs.github.com/spec/"
_LONGEST_HEADER = 100_000_000  # bytes; safetensors takes no longer one
_ZIP = b"PK\x03\x04"  # also what torch.save writes

CACHE = "SINGLESHOT_CACHE"  # environment variable


def cache_folder() -> Path:
    """Locate the folder of downloads: SINGLESHOT_CACHE, else `singleshot` in the user's cache."""
    if given := os.environ.get(CACHE):
        return Path(given).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "singleshot"


def distinct_names(paths: Sequence[Path]) -> list[str]:
    """Shorten each path to the shortest end that no other path has."""
    all_parts = [path.parts for path in paths]

    def ending(parts: tuple[str, ...], length: int) -> tuple[str, ...]:
        return parts[-length:]

    return [
        next(
            "/".join(ending(parts, length)).replace("//", "/")
            for length in range(1, len(parts) + 1)
            if length == len(parts)
            or sum(ending(other, length) == ending(parts, length) for other in all_parts) == 1
        )
        for parts in all_parts
    ]


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


@contextmanager
def write_folder_atomically(folder: Path) -> Iterator[Path]:
    """Yield a new folder beside, and rename it to the new or empty folder at the end.

    Raises:
        StorageError: full disk and the like. After any error nothing is left of the new folder.
    """
    folder = folder.absolute()
    beside = folder.with_name(f".{folder.name}.{os.getpid()}.part")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(folder)
        beside.mkdir()
        yield beside
        if folder.exists():
            folder.rmdir()
        beside.rename(folder)
    except OSError as error:
        raise StorageError(
            f"{folder}: not written: {error.strerror or error}; nothing was changed"
        ) from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _remove_abandoned(folder: Path) -> None:
    """Delete what processes left that were killed while they wrote this folder."""
    for left in folder.parent.glob(f"{escape(f'.{folder.name}.')}*.part"):
        match = _PARTIAL.fullmatch(left.name)
        if match and left.is_dir() and not is_alive(int(match[1])):
            shutil.rmtree(left, ignore_errors=True)


def hash_file(path: Path) -> str:
    """Compute the SHA-256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_HASHED_AT_ONCE):
            digest.update(block)
    return digest.hexdigest()


def require_existing(path: Path) -> None:
    """Raise DataError where there is nothing."""
    if not path.exists():
        raise DataError(f"{path}: there is no such folder or file")


def require_writable(path: Path) -> None:
    """Raise StorageError before hours of work if the file cannot be written."""
    if path.is_dir():
        raise StorageError(f"{path}: is a folder; choose the path of a file")
    _require_place(path, path.absolute().parents)


def require_writable_folder(folder: Path) -> None:
    """Raise StorageError before the work if files cannot be written into the folder."""
    if folder.exists() and not folder.is_dir():
        raise StorageError(f"{folder}: is a file; choose the path of a folder")
    _require_place(folder, (folder.absolute(), *folder.absolute().parents))


def require_empty_folder(folder: Path) -> None:
    """Raise StorageError unless the folder is new or empty, and can be written."""
    require_writable_folder(folder)
    if folder.exists() and (found := sorted(path.name for path in folder.iterdir())):
        raise StorageError(
            f"{folder}: is not empty: there is {some_of(found)}; choose a new or empty folder"
        )


def require_outside(folder: Path, data: Path) -> None:
    """Raise StorageError where a folder to write lies in the data set that is read.

    Its files would be taken for the data set's the next time, or for the whole of it.
    """
    if data.is_dir() and data.resolve() in (folder.resolve(), *folder.resolve().parents):
        raise StorageError(
            f"{folder}: lies inside the data set {data}, which would be read with it the next "
            f"time; choose a folder outside"
        )


def require_own_folder(folder: Path, names: Collection[str]) -> None:
    """Raise StorageError unless the folder can be written and holds nothing but these names."""
    require_writable_folder(folder)
    if not folder.exists():
        return
    others = sorted({path.name for path in without_hidden(folder.iterdir())}.difference(names))
    if others:
        raise StorageError(
            f"{folder}: is not empty and holds no run: there is {some_of(others)}; choose a folder "
            f"that is new or empty"
        )


def _require_place(path: Path, parents: Iterable[Path]) -> None:
    """Raise StorageError unless the first of the parents that exists is a folder to write into."""
    above = next(folder for folder in parents if folder.exists())
    if not above.is_dir():
        raise StorageError(
            f"{path}: {above} is a file where a folder is needed; choose another path"
        )
    if not os.access(above, os.W_OK):
        raise StorageError(f"{path}: no permission to write into {above}; choose another path")


def without_hidden(paths: Iterable[Path]) -> Iterator[Path]:
    """Drop names that begin with a dot, such as macOS' `._a.jpg` beside `a.jpg`."""
    return (path for path in paths if not path.name.startswith("."))


def walk_files(folder: Path) -> Iterator[Path]:
    """Yield the files in a folder and those below, in order, without hidden ones."""
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(place, name) for name in sorted(names) if not name.startswith("."))


def remove_partial_files(folder: Path, *, of: str = "") -> None:
    """Delete the temporary files of processes that were killed while writing, or those of a file.

    A process of another machine or container counts as killed: no other must write there.
    """
    for path in folder.rglob(f".{escape(of)}.*.part" if of else ".*.part"):
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


def describe_damage(path: Path) -> str | None:
    """Explain why a file cannot be read, with the remedy; None where nothing of this is found.

    Git LFS leaves a pointer in place of a file. safetensors and zip archives (PyTorch's files)
    contain their length, so that one that is cut short is recognised.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            start = file.read(len(_LFS_POINTER))
    except OSError:
        return None
    if start == _LFS_POINTER:
        return "a Git LFS pointer in place of the file; get the file with: git lfs pull"
    if not size:
        return "empty; copy it again"
    if size < (whole := _safetensors_size(path)):
        return f"cut short: {size:,} of {whole:,} bytes; copy it again"
    if start.startswith(_ZIP) and not zipfile.is_zipfile(path):
        return "cut short: the end of the archive is missing; copy it again"
    return None


def read_safetensors_header(path: Path) -> dict[str, Any]:
    """Read the metadata of a safetensors file and the place of each tensor.

    Raises ValueError for another file, and for one that ends within its header.
    """
    with path.open("rb") as file:
        length, first = int.from_bytes(file.read(8), "little"), file.read(1)
        if first != b"{" or length > _LONGEST_HEADER:
            raise ValueError("not a safetensors file")
        try:
            header = json.loads(first + file.read(length - 1))
        except RecursionError:
            raise ValueError("nested too deeply") from None
    if not isinstance(header, dict):
        raise ValueError("not a safetensors file")
    return header


def _safetensors_size(path: Path) -> int:
    """Read the size of a safetensors file from its header; 0 for any other file.

    Of a file that ends within its header: the size of the header.
    """
    with path.open("rb") as file:
        length, first = int.from_bytes(file.read(8), "little"), file.read(1)
    if first != b"{" or length > _LONGEST_HEADER:
        return 0
    if path.stat().st_size < 8 + length:
        return 8 + length
    try:
        header = read_safetensors_header(path)
        tensors = [entry for name, entry in header.items() if name != "__metadata__"]
        return 8 + length + max((entry["data_offsets"][1] for entry in tensors), default=0)
    except (LookupError, TypeError, ValueError):
        return 0


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
