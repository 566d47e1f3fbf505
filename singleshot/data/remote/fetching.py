"""Fetching files of data sets from URLs that a user has named.

http and https are read by the standard library, which continues where a connection was cut; other
schemes, such as gs://, by webdataset, which calls their own programs.

Imports no PyTorch.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import closing
from http import HTTPStatus
from http.client import HTTPResponse
from pathlib import Path
from typing import Any, NamedTuple

from singleshot.connections import ConnectionFailed, RequestRefused, connect, read_blocks
from singleshot.errors import DataError, StorageError

__all__ = ["Fetched", "fetch_file", "url_of"]

ATTEMPTS = 5  # in a row without a new byte
SECONDS_BETWEEN_ATTEMPTS = 1.0
BYTES_AT_ONCE = 1 << 18
# `Path` makes one slash of two. One letter is a drive of Windows.
_URL = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]+):/+(?P<rest>[^/].*)")


class Fetched(NamedTuple):
    """Answer of a server."""

    is_new: bool  # False: the file is the one that was fetched before
    version: str  # of the file, as the server names it; "" where it names none


def url_of(path: Path) -> str | None:
    """Return the URL that a path was made of; None for a path of this machine."""
    found = _URL.fullmatch(path.as_posix())
    if found is None or path.exists():
        return None
    return f"{found['scheme'].lower()}://{found['rest']}"


def fetch_file(url: str, partial: Path, *, size: int | None = None, version: str = "") -> Fetched:
    """Append to a partial file what is missing of it, over as many connections as it takes.

    Args:
        url: its address.
        partial: the file, perhaps begun before.
        size: bytes that it must have; None: what the server states.
        version: of a file that was fetched before, which is not fetched again.

    Raises:
        DataError: the server cannot be reached, has no such file, or one of another size.
        StorageError: the file cannot be written.
    """
    attempts, reason = 0, "closed by the server"
    while attempts < ATTEMPTS:
        before = _size(partial)
        if size is not None and before == size:
            return Fetched(True, version)
        try:
            answer, size = _receive(url, partial, size, version)
            if answer is not None:
                return answer
        except ConnectionFailed as error:
            reason = str(error)
        attempts = 0 if _size(partial) > before else attempts + 1
        time.sleep(SECONDS_BETWEEN_ATTEMPTS if attempts else 0)
    received = _size(partial)
    if received and size:
        reason = f"connection lost after {received / 1e6:.1f} of {size / 1e6:.1f} MB ({reason})"
        raise DataError(f"{url}: {reason}; the same command continues from there")
    raise DataError(f"{url}: not reachable ({reason}); check the address and the connection")


def _receive(
    url: str, partial: Path, size: int | None, version: str
) -> tuple[Fetched | None, int | None]:
    """Append what one connection sends; returns None for the answer where some is missing."""
    if not url.startswith(("http://", "https://")):
        _copy(_open_other(url), partial, 0)
        if size is not None and _size(partial) != size:
            partial.unlink()
            raise ConnectionFailed("another size was sent")
        return Fetched(True, ""), size
    start = _size(partial) if size is not None else 0
    try:
        opened = connect(url, start, version=version)
    except RequestRefused as error:
        raise DataError(f"{url}: {error}; check the address") from error
    if opened is None:
        return Fetched(False, version), size
    with closing(opened) as response:
        if response.status != HTTPStatus.PARTIAL_CONTENT:
            start = 0  # a server without ranges sends the file from its beginning
        offered = None if response.length is None else start + response.length
        if size is not None and offered not in (None, size):
            raise DataError(
                f"{url}: {offered:,} bytes are offered, expected {size:,}: not the file that the "
                f"index describes; write the index and its shards together"
            )
        headers = response.headers
        found = headers.get("ETag") or headers.get("Last-Modified") or ""
        _copy(response, partial, start)
    whole = size if size is not None else offered
    is_whole = whole is None or _size(partial) == whole
    return (Fetched(True, found) if is_whole else None), whole


def _copy(stream: Any, partial: Path, start: int) -> None:
    """Write a stream behind the first `start` bytes of a file."""
    blocks = _blocks(stream)
    try:
        with partial.open("ab") as file:
            file.truncate(start)
            for block in blocks:
                file.write(block)
    except OSError as error:
        raise StorageError(f"{partial}: not written: {error.strerror or error}") from error


def _blocks(stream: Any) -> Iterator[bytes]:
    """Read block by block; raises ConnectionFailed."""
    yield from read_blocks(stream, BYTES_AT_ONCE)
    if not isinstance(stream, HTTPResponse):
        try:
            stream.close()  # waits for the program, which may have failed
        except OSError as error:
            raise ConnectionFailed(str(error)) from error


def _open_other(url: str) -> Any:
    """Open a URL by webdataset, which knows gs://, hf://, ais:// and more."""
    scheme = url.partition(":")[0]
    try:
        from webdataset.gopen import gopen, gopen_schemes  # noqa: PLC0415 (an extra)
    except ImportError:
        raise DataError(
            f"{url}: reading {scheme}:// needs webdataset; install it with: "
            f"pip install 'singleshot[shards]'"
        ) from None
    # A pipe would run any program.
    known = sorted(name for name in gopen_schemes if name not in ("__default__", "pipe"))
    if scheme not in known:
        raise DataError(f"{url}: no URL that can be read; there are {', '.join(known)}")
    try:
        return gopen(url, "rb")
    except (OSError, ValueError, ImportError) as error:
        raise ConnectionFailed(str(error)) from error


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
