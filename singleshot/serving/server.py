"""uvicorn, with an end that loses no request.

From SIGTERM on `/readyz` answers 503, so that a load balancer sends requests elsewhere, and answers
close their connections. After `drain_seconds` connections that have arrived are accepted for the
last time, their requests answered, and the process exits with 0. Ctrl-C skips the drain.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import uvicorn
from fastapi import FastAPI

from singleshot.serving.address import BACKLOG
from singleshot.serving.options import ServingOptions
from singleshot.serving.protocol import IDLE_SECONDS, Connections, protocol_with

__all__ = ["Server"]

LOG = logging.getLogger("singleshot.serving")
ANSWER_SECONDS = 60  # after the last connection, in which all requests are answered
MOST_CONNECTIONS = 4096
SPARE_FILES = 64  # of the open files that the system permits, for others than connections


class Server(uvicorn.Server):
    """uvicorn with another end."""

    def __init__(self, app: FastAPI, options: ServingOptions) -> None:
        self.pool = Connections(_most_connections())
        super().__init__(
            uvicorn.Config(
                app,
                http=protocol_with(self.pool),
                ws="none",
                lifespan="on",
                loop="asyncio",
                log_config=None,
                access_log=False,
                server_header=False,
                backlog=BACKLOG,
                timeout_keep_alive=int(IDLE_SECONDS),
                timeout_graceful_shutdown=ANSWER_SECONDS,
            )
        )
        self.app_state = app.state.service.state
        self.drain_seconds = options.drain_seconds

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Handle SIGTERM and Ctrl-C as the end of the work, which is no failure."""
        if threading.current_thread() is not threading.main_thread():
            yield  # Python handles signals in the main thread alone
            return
        numbers = (signal.SIGINT, signal.SIGTERM)
        before = {number: signal.signal(number, self.handle_exit) for number in numbers}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to end; a second Ctrl-C ends at once."""
        self.app_state.draining = True
        if sig == signal.SIGINT:
            self.drain_seconds = 0.0
        super().handle_exit(sig, frame)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Answer for `drain_seconds` more, accept what has arrived, and answer that."""
        self.app_state.draining = True
        LOG.info("ending: answering what arrives in the next %g s", self.drain_seconds)
        loop = asyncio.get_running_loop()
        end = loop.time() + self.drain_seconds
        while loop.time() < end and not self.force_exit:
            await asyncio.sleep(min(0.05, max(end - loop.time(), 0)))
        self.pool.ending = True
        for server_socket in sockets or []:
            await self._accept_last(server_socket)
        await super().shutdown(sockets)
        LOG.info("ended: all requests are answered")

    async def _accept_last(self, server_socket: socket.socket) -> None:
        """Accept the connections that the system holds: closing the socket would reset them."""
        loop = asyncio.get_running_loop()
        loop.remove_reader(server_socket.fileno())
        await asyncio.sleep(0.05)  # connections that asyncio has accepted become ours
        while True:
            try:
                connection, _ = server_socket.accept()
            except OSError:  # BlockingIOError: there is none left
                break
            connection.setblocking(False)
            await loop.connect_accepted_socket(self._make_protocol, connection)

    def _make_protocol(self) -> asyncio.Protocol:
        """Make the protocol of a connection, as uvicorn does."""
        return protocol_with(self.pool)(
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )


def _most_connections() -> int:
    """Choose how many connections may be open, by the files that this process may open."""
    try:
        resource = importlib.import_module("resource")
    except ImportError:  # on Windows
        return MOST_CONNECTIONS
    soft: int = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return max(min(MOST_CONNECTIONS, soft - SPARE_FILES), 1)
