"""Shards of URLs, fetched when an image of them is read, in a folder of bounded size.

The folder is `shards` in SINGLESHOT_CACHE. Each data set has a folder there, with its index and
`origin.json`: where its shards are fetched from. The shards that were not read for the longest time
are deleted when others need the space. A shard appears whole or not at all, and one process fetches
it for all of them.

Imports no PyTorch.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import lru_cache
from io import BufferedReader
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from filelock import FileLock, Timeout

from singleshot.data.remote.fetching import fetch_file
from singleshot.errors import DataError, StorageError
from singleshot.files import CACHE, cache_folder, hash_file, write_atomically

__all__ = [
    "CACHE_SIZE",
    "cache_bytes",
    "is_cached",
    "open_shard",
    "origin_of",
    "save_origin",
    "shards_folder",
]

CACHE_SIZE = "SINGLESHOT_CACHE_SIZE"  # environment variable: gigabytes
DEFAULT_BYTES = 100e9
SHARE_OF_DISK = 0.9  # of what is free
ORIGIN = "origin.json"
SECONDS_TO_WAIT = 0.1  # for the shards that other processes fetch at the moment
MOST_REPETITIONS = 100  # of fetching a shard that others delete before it is opened


class _Origin(NamedTuple):
    """Source of the shards of a folder."""

    url: str
    shards: Mapping[str, tuple[int, str]]  # bytes and SHA-256 by name


def shards_folder() -> Path:
    """Locate the folder of all shards that were fetched."""
    return cache_folder() / "shards"


def cache_bytes() -> int:
    """Return the bytes that shards may take: SINGLESHOT_CACHE_SIZE, at most most of the disk."""
    stated = os.environ.get(CACHE_SIZE)
    try:
        allowed = DEFAULT_BYTES if stated is None else float(stated) * 1e9
    except ValueError:
        raise DataError(f"{CACHE_SIZE}={stated}: expected a number of gigabytes") from None
    root = shards_folder()
    root.mkdir(parents=True, exist_ok=True)
    used = sum(size for _, size in _shards_of(root))
    return int(min(allowed, used + SHARE_OF_DISK * shutil.disk_usage(root).free))


def save_origin(folder: Path, url: str, shards: Mapping[str, tuple[int, str]]) -> None:
    """Note where the shards of a folder are fetched from."""
    with write_atomically(folder / ORIGIN) as beside:
        beside.write_text(json.dumps({"url": url, "shards": shards}), encoding="utf-8")


def is_cached(archive: Path) -> bool:
    """Check whether an archive is a shard that is fetched when it is needed."""
    return archive.parent.parent == shards_folder()


def origin_of(folder: Path) -> str:
    """Return the URL that the shards of a folder are fetched from."""
    return _read_origin(folder).url


def open_shard(archive: Path) -> BufferedReader:
    """Open a shard, fetching it first where it is not there.

    Raises:
        DataError: the server cannot be reached, or sends another file.
        StorageError: there is no space for it.
    """
    for _ in range(MOST_REPETITIONS):
        try:
            file = archive.open("rb")
        except FileNotFoundError:
            _fetch_shard(archive)
            continue
        with suppress(OSError):  # deleted meanwhile; what is open can be read
            os.utime(archive)
        return file
    raise StorageError(
        f"{archive}: other processes delete it before it is read; allow more space: "
        f"{CACHE_SIZE}=GIGABYTES"
    )


def _fetch_shard(archive: Path) -> None:
    """Fetch a shard, whole or not at all; another process that wants it waits."""
    origin = _read_origin(archive.parent)
    if archive.name not in origin.shards:
        raise DataError(f"{archive}: is no shard of {origin.url}")
    size, sha256 = origin.shards[archive.name]
    partial = _partial(archive)
    with FileLock(_lock(archive)):
        if archive.exists():
            return
        _make_room(partial, size)
        url = f"{origin.url}/{quote(archive.name)}"
        fetch_file(url, partial, size=size)
        if (found := hash_file(partial)) != sha256:
            partial.unlink()
            raise DataError(
                f"{url}: SHA-256 is {found}, expected {sha256}: not the file that the index "
                f"describes; write the index and its shards together"
            )
        partial.replace(archive)


def _make_room(partial: Path, size: int) -> None:
    """Delete what was read the longest ago until a shard fits; begins its partial file."""
    root = shards_folder()
    allowed = cache_bytes()
    if size > allowed:
        raise StorageError(
            f"{root}: a shard of {size / 1e6:,.0f} MB does not fit into {allowed / 1e6:,.0f} MB; "
            f"allow more: {CACHE_SIZE}=GIGABYTES, or another disk: {CACHE}=FOLDER"
        )
    while True:
        with FileLock(root / ".room.lock"):
            used = {path: taken for path, taken in _shards_of(root) if path != partial}
            by_age = sorted(used, key=_last_read)
            excess = sum(used.values()) + size - allowed
            while excess > 0 and by_age:
                if _deleted(oldest := by_age.pop(0)):
                    excess -= used[oldest]
            if excess <= 0:
                partial.touch()  # its whole size is taken from now on
                return
        time.sleep(SECONDS_TO_WAIT)


def _shards_of(root: Path) -> Iterator[tuple[Path, int]]:
    """Yield all shards and partial ones, with the bytes that they take when they are whole."""
    for folder in root.iterdir():
        if not (folder / ORIGIN).is_file():
            continue
        shards = _read_origin(folder).shards
        for path in folder.iterdir():
            name = path.name
            if name.startswith(".") and name.endswith(".part"):
                name = name[1 : -len(".part")]
            if name in shards:
                yield path, shards[name][0]


def _deleted(path: Path) -> bool:
    """Delete a shard, or a partial one unless a process is fetching it."""
    if not path.name.startswith("."):
        path.unlink(missing_ok=True)
        return True
    try:
        with FileLock(_lock(path.with_name(path.name[1 : -len(".part")])), timeout=0):
            path.unlink(missing_ok=True)
            return True
    except Timeout:
        return False


def _last_read(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _partial(archive: Path) -> Path:
    return archive.with_name(f".{archive.name}.part")


def _lock(archive: Path) -> Path:
    return archive.with_name(f".{archive.name}.lock")


@lru_cache(maxsize=64)
def _read_origin(folder: Path) -> _Origin:
    """Read where the shards of a folder are fetched from; DataError when that is damaged."""
    try:
        content = json.loads((folder / ORIGIN).read_bytes())
        shards = {
            str(name): (int(size), str(sha)) for name, (size, sha) in content["shards"].items()
        }
        return _Origin(str(content["url"]), shards)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{folder}: is no folder of fetched shards; delete it ({error})") from error
