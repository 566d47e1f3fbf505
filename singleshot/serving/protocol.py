"""Connections: none may stay for long without a request, and none is lost at the end.

uvicorn limits the time between two requests, but not the time that the headers of one may take, or
a client may take to read its answer: clients that open connections and send nothing, or a byte now
and then, would keep them all (slow loris).
"""

from __future__ import annotations

import asyncio
import json
from typing import Any, ClassVar

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from singleshot.serving.problems import PROBLEM_TYPE, Problem

__all__ = ["IDLE_SECONDS", "Connections", "TimedProtocol", "protocol_with"]

HEADER_SECONDS = 10.0  # from the connection, or the first byte of a request, to its last header
IDLE_SECONDS = 75.0  # between two requests: longer than proxies keep connections (60 s)
WRITE_SECONDS = 30.0  # in which a client must go on reading its answer
LINGER_SECONDS = 1.0  # at the end, in which a request may still arrive


class Connections:
    """Connections that wait for a request, those that wait longest first."""

    def __init__(self, most: int) -> None:
        """Beyond `most` connections, those that wait longest are closed."""
        self.most = most
        self.ending = False  # connections close after their request
        self.waiting: dict[TimedProtocol, None] = {}

    def add(self, connection: TimedProtocol) -> None:
        """Note that a connection waits for a request."""
        self.waiting.pop(connection, None)
        self.waiting[connection] = None

    def remove(self, connection: TimedProtocol) -> None:
        """Note that a connection has a request, or is gone."""
        self.waiting.pop(connection, None)

    def make_place(self, number: int) -> None:
        """Close the connection that waits longest if there are too many."""
        if number > self.most and self.waiting:
            next(iter(self.waiting)).close_waiting()


class TimedProtocol(H11Protocol):
    """HTTP/1.1 with time limits for headers and for reading answers."""

    pool: ClassVar[Connections]

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self._has_begun = False  # headers have begun to arrive
        self._until_request: asyncio.TimerHandle | None = None
        self._until_written: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the first request."""
        super().connection_made(transport)
        self.pool.make_place(len(self.connections))
        self._wait(LINGER_SECONDS if self.pool.ending else HEADER_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        super().connection_lost(exc)
        self._end_waiting()
        self._end_writing()

    def data_received(self, data: bytes) -> None:
        """Take what arrived; the wait ends once the headers are there."""
        super().data_received(data)
        if self._has_request():
            self._end_waiting()
            if self.pool.ending:
                self.cycle.keep_alive = False
        elif not self._has_begun and not self.transport.is_closing():
            self._has_begun = True
            self._wait(HEADER_SECONDS)

    def on_response_complete(self) -> None:
        """Wait for the next request, unless it has arrived already."""
        super().on_response_complete()
        if not self.transport.is_closing() and not self._has_request():
            self._has_begun = False
            self._wait(IDLE_SECONDS)

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP by problem details."""
        problem = Problem(
            400,
            "no HTTP request",
            place="connection",
            value=msg,
            remedy="send HTTP/1.1 with headers of 64 kB at most",
        )
        content = json.dumps(problem.to_json()).encode()
        headers = [
            (b"content-type", PROBLEM_TYPE.encode()),
            (b"content-length", str(len(content)).encode()),
            (b"connection", b"close"),
        ]
        for event in (
            h11.Response(status_code=400, headers=headers, reason=b"Bad Request"),
            h11.Data(data=content),
            h11.EndOfMessage(),
        ):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    def shutdown(self) -> None:
        """Close after the request in work, or after a last moment in which one may arrive."""
        if self._has_request():
            self.cycle.keep_alive = False
        elif not self._has_begun:
            self._wait(LINGER_SECONDS)

    def pause_writing(self) -> None:
        """Limit the time in which the client must go on reading."""
        super().pause_writing()
        self._end_writing()
        self._until_written = self.loop.call_later(WRITE_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        """End that limit: the client has read."""
        super().resume_writing()
        self._end_writing()

    def close_waiting(self) -> None:
        """Close a connection that waits for a request."""
        self._end_waiting()
        self._unset_keepalive_if_required()
        self.transport.close()

    def _has_request(self) -> bool:
        """Check whether a request is being answered."""
        return self.cycle is not None and not self.cycle.response_complete

    def _wait(self, seconds: float) -> None:
        self._end_waiting()
        self._until_request = self.loop.call_later(seconds, self.close_waiting)
        self.pool.add(self)

    def _end_waiting(self) -> None:
        self.pool.remove(self)
        if self._until_request is not None:
            self._until_request.cancel()
            self._until_request = None

    def _end_writing(self) -> None:
        if self._until_written is not None:
            self._until_written.cancel()
            self._until_written = None


def protocol_with(connections: Connections) -> type[TimedProtocol]:
    """Make the protocol of a server that keeps these connections."""

    class ServerProtocol(TimedProtocol):
        pool = connections

    return ServerProtocol
