"""A detector's service for its page, on this machine, that can refuse and disappear."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from PIL import Image

from singleshot.browser.page import build_page, server_source

LABELS = ["cat", "dog", "red <b>bird</b>"]
# Label, score and box as fractions of the image, prior, level.
FOUND = [
    ("dog", 0.95, (0.5, 0.25, 1.0, 1.0), 96, 1),
    ("cat", 0.8, (0.0, 0.5, 0.25, 1.0), 48, 0),
    ("cat", 0.45, (0.125, 0.125, 0.375, 0.375), 20, 0),
    ("red <b>bird</b>", 0.32, (0.5, 0.0, 0.625, 0.125), 9, 0),
    ("dog", 0.2, (0.25, 0.0, 0.75, 0.5), 98, 1),
    ("cat", 0.04, (0.0, 0.0, 0.5, 0.5), 101, 1),
]
ABOUT = {
    "name": "made detector",
    "labels": LABELS,
    "input": [64, 64],
    "operating_points": {
        "cat": {"f1": 0.4, "precision=0.9": 0.7},
        "dog": {"f1": 0.15, "precision=0.9": None},
        "red <b>bird</b>": {"f1": 0.35, "precision=0.9": 0.9},
    },
    "levels": [
        {"grid": [7, 7], "stride": [9, 9], "first_centre": [5, 5], "shapes": [[12, 12], [8, 18]]},
        {"grid": [2, 2], "stride": [32, 32], "shapes": [[40, 40]]},
    ],
}
for level, first, number in zip(ABOUT["levels"], (0, 98), (98, 4), strict=True):
    level |= {"first_prior": first, "num_priors": number}


def detections_in(width: int, height: int) -> list[dict[str, Any]]:
    """List the same detections in an image of any size."""
    return [
        {
            "box": [x1 * width, y1 * height, x2 * width, y2 * height],
            "label": label,
            "score": score,
            "prior": prior,
            "level": level,
        }
        for label, score, (x1, y1, x2, y2), prior, level in FOUND
    ]


def answer_to(body: bytes) -> dict[str, Any]:
    """Answer as the server does."""
    width, height = Image.open(io.BytesIO(body)).size
    times = {"preprocess": 2.0, "network": 15.0, "postprocess": 3.0}
    return {
        "width": width,
        "height": height,
        "detections": detections_in(width, height),
        "milliseconds": times,
    }


@dataclass
class PageService:
    """The service, and what it was sent."""

    url: str = ""
    about: dict[str, Any] = field(default_factory=lambda: ABOUT)
    answer: Callable[[bytes], dict[str, Any]] = answer_to
    key: str | None = None
    refusals: list[tuple[int, dict[str, str]]] = field(default_factory=list)  # status, headers
    num_without_key: int = 0
    bodies: list[bytes] = field(default_factory=list)
    types: list[str] = field(default_factory=list)

    def page(self) -> str:
        return build_page(str(self.about["name"]), server_source())


@contextmanager
def serving_page(service: PageService, port: int = 0) -> Iterator[PageService]:
    """Serve on a free port, or on a given one."""
    http = ThreadingHTTPServer(
        ("127.0.0.1", port), type("Handler", (_Handler,), {"service": service})
    )
    service.url = f"http://127.0.0.1:{http.server_address[1]}"
    thread = Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield service
    finally:
        http.shutdown()
        thread.join()
        http.server_close()


class _Handler(BaseHTTPRequestHandler):
    service: PageService

    def do_GET(self) -> None:
        if self.path == "/":
            self._send(200, self.service.page().encode(), "text/html; charset=utf-8")
        elif self._allowed():
            self._send(200, json.dumps(self.service.about).encode())

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if not self._allowed():
            return
        if self.service.refusals:
            status, headers = self.service.refusals.pop(0)
            self._problem(status, headers)
            return
        self.service.bodies.append(body)
        self.service.types.append(self.headers["Content-Type"])
        self._send(200, json.dumps(self.service.answer(body)).encode())

    def _allowed(self) -> bool:
        sent = (self.headers["Authorization"] or "").removeprefix("Bearer ")
        if self.service.key is not None and sent != self.service.key:
            self.service.num_without_key += 1
            self._problem(401, {"WWW-Authenticate": "Bearer"})
            return False
        return True

    def _problem(self, status: int, headers: dict[str, str]) -> None:
        problem = {"title": "Refused", "status": status, "detail": f"limit of {status}"}
        self._send(status, json.dumps(problem).encode(), "application/problem+json", headers)

    def _send(
        self,
        status: int,
        content: bytes,
        kind: str = "application/json",
        headers: dict[str, str] | None = None,
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Print nothing."""
