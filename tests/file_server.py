"""A server on this machine for the files of a folder, which can cut connections."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import unquote


@dataclass
class FileServer:
    """A folder, and how its files are sent."""

    folder: Path
    url: str = ""
    ranges: bool = True
    cut_after: int | None = None  # bytes of each answer
    status: int | None = None
    requested: list[tuple[str, str | None]] = field(default_factory=list)  # file and Range

    def count(self, name: str) -> int:
        """Count the answers that had the content of a file."""
        return sum(one == name for one, _ in self.requested)


@contextmanager
def serving(folder: Path) -> Iterator[FileServer]:
    """Serve a folder on a free port."""
    server = FileServer(folder)
    http = ThreadingHTTPServer(("127.0.0.1", 0), handler(server))
    server.url = f"http://127.0.0.1:{http.server_address[1]}"
    thread = Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        http.shutdown()
        thread.join()
        http.server_close()


def handler(server: FileServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = unquote(self.path).lstrip("/")
            file = server.folder / name
            if server.status is not None or not file.is_file():
                self.send_error(server.status or 404)
                return
            content = file.read_bytes()
            tag = f'"{hashlib.sha256(content).hexdigest()[:16]}"'
            if self.headers["If-None-Match"] == tag:
                self.send_response(304)
                self.end_headers()
                return
            requested = self.headers["Range"]
            server.requested.append((name, requested))
            start = int(requested[len("bytes=") : -1]) if requested and server.ranges else 0
            self.send_response(206 if start else 200)
            self.send_header("ETag", tag)
            self.send_header("Content-Length", str(len(content) - start))
            self.end_headers()
            self.wfile.write(content[start:][: server.cut_after])

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    return Handler
