"""Bodies of requests, read within limits of bytes and of time; the file of a multipart form."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import anyio
from fastapi import Request
from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header
from starlette.requests import ClientDisconnect

from singleshot.serving.images import IMAGE_TYPES
from singleshot.serving.problems import Problem

__all__ = ["FORM_TYPE", "BodyReader"]

FORM_TYPE = "multipart/form-data"
PLACE = "body"
MOST_PARTS = 16  # of a form
LONGEST_HEADER = 8192  # bytes of the headers of a part


class BodyReader:
    """Reads the images of requests, within limits of each and of all together."""

    def __init__(self, *, max_bytes: int, max_bytes_of_all: int, seconds: float) -> None:
        """`seconds` is the time in which a body must arrive."""
        self.max_bytes, self.max_bytes_of_all = max_bytes, max_bytes_of_all
        self.seconds = seconds
        self.num_bytes = 0  # of bodies that have not arrived whole

    async def read_image(self, request: Request) -> bytes:
        """Read the image of a request: its body, or the file of a form.

        Raises:
            Problem: it is of another type, too large, too slow, empty, or cut short.
        """
        kind, parameters = parse_options_header(request.headers.get("content-type"))
        media_type = kind.decode("latin-1").lower()
        if media_type not in (*IMAGE_TYPES, FORM_TYPE):
            raise Problem(
                415,
                "unsupported content type",
                place="header Content-Type",
                value=media_type[:100] or "missing",
                remedy=f"send {', '.join(IMAGE_TYPES)} or {FORM_TYPE}",
            )
        content = await self._read(request)
        if media_type == FORM_TYPE:
            content = _file_of_form(content, parameters.get(b"boundary", b""))
        if not content:
            raise Problem(
                400,
                "empty body",
                place=PLACE,
                value="0 bytes",
                remedy="send the bytes of an image, as with curl --data-binary @image.jpg",
            )
        return content

    async def discard(self, request: Request) -> None:
        """Read what a refused request still sends, within the same limits.

        A client that is sending may otherwise never read its answer: a connection that is closed
        with unread bytes is reset. One that waits for `100 Continue` sends nothing.
        """
        if self._is_read(request) or request.headers.get("expect", "").lower() == "100-continue":
            return
        received = 0
        with anyio.move_on_after(self.seconds), suppress(ClientDisconnect):
            while received <= self.max_bytes:
                received += len(await _receive_chunk(request))
                if self._is_read(request):
                    return

    async def _read(self, request: Request) -> bytes:
        """Read a whole body; raises Problem where it is too large or slow, or its client gone."""
        declared = request.headers.get("content-length", "")
        if declared.isdecimal() and int(declared) > self.max_bytes:
            raise _too_large(f"{declared} bytes", self.max_bytes)
        content = bytearray()
        try:
            with anyio.fail_after(self.seconds):
                while not self._is_read(request):
                    chunk = await _receive_chunk(request)
                    content += chunk
                    self.num_bytes += len(chunk)
                    self._check(len(content))
        except TimeoutError:
            raise Problem(
                408,
                "slow body",
                place=PLACE,
                value=f"{len(content)} bytes after {self.seconds:g} s",
                remedy="send the whole body in this time",
                headers={"Connection": "close"},
            ) from None
        except ClientDisconnect:
            raise Problem(
                400,
                "connection closed",
                place=PLACE,
                value=f"{len(content)} bytes",
                remedy="keep the connection until the answer",
            ) from None
        finally:
            self.num_bytes -= len(content)
        return bytes(content)

    @staticmethod
    def _is_read(request: Request) -> bool:
        """Check whether a body has arrived whole: waiting for more would take all the time."""
        return getattr(request.state, "body_is_read", False)

    def _check(self, num_bytes: int) -> None:
        """Raise Problem for a body, or all together, of too many bytes."""
        if num_bytes > self.max_bytes:
            raise _too_large(f"more than {self.max_bytes} bytes", self.max_bytes)
        if self.num_bytes > self.max_bytes_of_all:
            raise Problem(
                429,
                "too many bodies at once",
                place="server",
                value=f"{self.num_bytes} bytes are arriving",
                remedy="repeat the request in 1 s",
                headers={"Retry-After": "1"},
            )


async def _receive_chunk(request: Request) -> bytes:
    """Receive the next part of a body, and note whether it was the last.

    Raises:
        ClientDisconnect: the client is gone.
    """
    message = await request.receive()
    if message["type"] == "http.disconnect":
        raise ClientDisconnect
    request.state.body_is_read = not message.get("more_body", False)
    chunk: bytes = message.get("body", b"")
    return chunk


def _too_large(value: str, max_bytes: int) -> Problem:
    return Problem(
        413,
        "too many bytes",
        place=PLACE,
        value=value,
        remedy=f"at most {max_bytes / 1e6:g} MB are read here; shrink or compress the image",
    )


class _FormFile:
    """Collects the part of a form that has a file name, of which there may be one."""

    def __init__(self) -> None:
        self.content = bytearray()
        self.found = False
        self._num_parts = self._header_bytes = 0
        self._is_file = False
        self._name, self._value = bytearray(), bytearray()

    def callbacks(self) -> Any:
        """The functions that a parser calls."""
        return {
            "on_part_begin": self._begin,
            "on_header_field": self._add_name,
            "on_header_value": self._add_value,
            "on_header_end": self._end_header,
            "on_part_data": self._add_data,
            "on_part_end": self._end,
        }

    def _begin(self) -> None:
        self._num_parts += 1
        self._header_bytes = 0
        if self._num_parts > MOST_PARTS:
            raise FormParserError(f"more than {MOST_PARTS} parts")

    def _add_name(self, data: bytes, start: int, end: int) -> None:
        self._count(end - start)
        self._name += data[start:end]

    def _add_value(self, data: bytes, start: int, end: int) -> None:
        self._count(end - start)
        self._value += data[start:end]

    def _count(self, number: int) -> None:
        self._header_bytes += number
        if self._header_bytes > LONGEST_HEADER:
            raise FormParserError(f"a part with more than {LONGEST_HEADER} bytes of headers")

    def _end_header(self) -> None:
        if bytes(self._name).lower() == b"content-disposition":
            self._is_file = b"filename" in parse_options_header(bytes(self._value))[1]
            if self._is_file and self.found:
                raise FormParserError("more than one file")
        self._name, self._value = bytearray(), bytearray()

    def _add_data(self, data: bytes, start: int, end: int) -> None:
        if self._is_file:
            self.content += data[start:end]

    def _end(self) -> None:
        self.found = self.found or self._is_file
        self._is_file = False


def _file_of_form(body: bytes, boundary: bytes) -> bytes:
    """Return the file of a form, whose name is not looked at; raises Problem without or for two."""
    file = _FormFile()
    try:
        parser = MultipartParser(boundary, file.callbacks())
        parser.write(body)
        parser.finalize()
        reason = "" if file.found else "a form without a file"
    except (FormParserError, ValueError) as error:
        reason = f"a broken form ({error})"
    if reason:
        raise Problem(
            400,
            "no file in the form",
            place=PLACE,
            value=reason,
            remedy="send one image as a file of the form, as with curl --form image=@image.jpg",
        )
    return bytes(file.content)
