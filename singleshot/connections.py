"""HTTP connections of downloads that continue where an earlier one was cut.

Plain HTTP through the standard library: libraries that verify (pooch, torch.hub) do not resume.
"""

from __future__ import annotations

from collections.abc import Iterator
from http import HTTPStatus
from http.client import HTTPException, HTTPResponse
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from singleshot.version import __version__

__all__ = ["ConnectionFailed", "RequestRefused", "connect", "read_blocks"]

SECONDS_WITHOUT_BYTES = 30.0
TRANSIENT = {408, 429, 500, 502, 503, 504}  # HTTP statuses worth another attempt


class ConnectionFailed(Exception):
    """Another attempt may help."""


class RequestRefused(Exception):
    """Another attempt will not help; the message has the HTTP status and its reason."""


def connect(url: str, start: int, *, version: str = "") -> HTTPResponse | None:
    """Ask for a file from byte `start` on; None where it still is of this version.

    Raises:
        ConnectionFailed: no answer, or one that may be another one soon.
        RequestRefused: the server has no such file, or does not give it.
    """
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
        kind = ConnectionFailed if error.code in TRANSIENT else RequestRefused
        raise kind(f"HTTP {error.code} {error.reason}") from error
    except (HTTPException, OSError) as error:
        raise ConnectionFailed(str(getattr(error, "reason", error))) from error
    return response


def read_blocks(stream: Any, size: int) -> Iterator[bytes]:
    """Read a body in blocks of so many bytes at most; raises ConnectionFailed."""
    try:
        while block := stream.read(size):
            yield block
    except (HTTPException, OSError) as error:
        raise ConnectionFailed(str(error)) from error
