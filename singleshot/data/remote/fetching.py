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
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import Any, NamedTuple
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from singleshot.errors import DataError, StorageError
from singleshot.version import __version__

__all__ = ["Fetched", "fetch_file", "url_of"]

SECONDS_WITHOUT_BYTES = 30.0
ATTEMPTS = 5  # in a row without a new byte
SECONDS_BETWEEN_ATTEMPTS = 1.0
BYTES_AT_ONCE = 1 << 18
TRANSIENT = {408, 429, 500, 502, 503, 504}  # HTTP statuses worth another attempt
# `Path` makes one slash of two. One letter is a drive of Windows.
_URL = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]+):/+(?P<rest>[^/].*)")


class Fetched(NamedTuple):
    """Answer of a server."""

    is_new: bool  # False: the file is the one that was fetched before
    version: str  # of the file, as the server names it; "" where it names none


class _ConnectionFailed(Exception):
    """Another attempt may help."""


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
        except _ConnectionFailed as error:
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
        _copy(_open_other(url), partial, 0, url)
        if size is not None and _size(partial) != size:
            partial.unlink()
            raise _ConnectionFailed("another size was sent")
        return Fetched(True, ""), size
    start = _size(partial) if size is not None else 0
    opened = _connect(url, start, version)
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
        _copy(response, partial, start, url)
    whole = size if size is not None else offered
    is_whole = whole is None or _size(partial) == whole
    return (Fetched(True, found) if is_whole else None), whole


def _copy(stream: Any, partial: Path, start: int, url: str) -> None:
    """Write a stream behind the first `start` bytes of a file."""
    blocks = _blocks(stream, url)
    try:
        with partial.open("ab") as file:
            file.truncate(start)
            for block in blocks:
                file.write(block)
    except OSError as error:
        raise StorageError(f"{partial}: not written: {error.strerror or error}") from error


def _blocks(stream: Any, url: str) -> Iterator[bytes]:
    """Read block by block; raises _ConnectionFailed."""
    try:
        while block := stream.read(BYTES_AT_ONCE):
            yield block
        if not isinstance(stream, HTTPResponse):
            stream.close()  # waits for the program, which may have failed
    except (HTTPException, OSError) as error:
        raise _ConnectionFailed(f"{url}: {error}") from error


def _connect(url: str, start: int, version: str) -> HTTPResponse | None:
    """Ask for a file from byte `start` on; None where it still is of this version."""
    headers = {"User-Agent": f"singleshot/{__version__}"}
    if start:
        headers["Range"] = f"bytes={start}-"
    elif version:
        is_tag = version.startswith(('"', "W/"))
        headers["If-None-Match" if is_tag else "If-Modified-Since"] = version
    try:
        response: HTTPResponse = urlopen(
            Request(url, headers=headers), timeout=SECONDS_WITHOUT_BYTES
        )
    except HTTPError as error:
        error.close()
        if error.code == HTTPStatus.NOT_MODIFIED:
            return None
        if error.code in TRANSIENT:
            raise _ConnectionFailed(f"HTTP {error.code} {error.reason}") from error
        raise DataError(f"{url}: HTTP {error.code} {error.reason}; check the address") from error
    except (HTTPException, OSError) as error:
        raise _ConnectionFailed(str(getattr(error, "reason", error))) from error
    return response


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
        raise _ConnectionFailed(str(error)) from error


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
