"""Access log and Prometheus metrics of a server.

One line a request, on the logger "singleshot.serving.access":

    127.0.0.1 POST /v1/detect 200 43 ms: 640 x 480, 3 found, batch of 2
"""

from __future__ import annotations

import logging
import time
from typing import Any

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    ProcessCollector,
    generate_latest,
)
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from singleshot.serving.answers import ModelAnswer
from singleshot.serving.batching import BatchedDetections, Batcher

__all__ = ["Metrics", "Monitoring", "ServerState"]

ACCESS = logging.getLogger("singleshot.serving.access")
SECONDS = (0.005, 0.01, 0.02, 0.035, 0.05, 0.075, 0.1, 0.15, 0.2, 0.35, 0.5, 0.75, 1, 2, 5, 10)
# Probes and scrapes come every few seconds.
UNLOGGED = ("/healthz", "/readyz", "/metrics")


class ServerState:
    """State of a server that its probes show."""

    def __init__(self) -> None:
        self.draining = False  # from SIGTERM on


class Metrics:
    """Metrics that Prometheus reads from /metrics."""

    def __init__(self, batcher: Batcher, model: ModelAnswer) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.requests = Counter(
            "singleshot_requests_total",
            "Requests by path, status and kind of problem.",
            ("path", "status", "problem"),
            registry=self.registry,
        )
        self.request_seconds = Histogram(
            "singleshot_request_seconds",
            "Time from the headers of a request for detections to the end of its answer.",
            buckets=SECONDS,
            registry=self.registry,
        )
        self.phase_seconds = Histogram(
            "singleshot_phase_seconds",
            "Time of each phase; those of the network are of a batch.",
            ("phase",),
            buckets=SECONDS,
            registry=self.registry,
        )
        self.batch_images = Histogram(
            "singleshot_batch_images",
            "Images in the batch of each request.",
            buckets=(1, 2, 4, 8, 16, 32),
            registry=self.registry,
        )
        self.detections = Counter(
            "singleshot_detections_total",
            "Detections by class.",
            ("label",),
            registry=self.registry,
        )
        for name, describe, read in (
            ("waiting", "Decoded images whose batch has not begun.", lambda: batcher.num_waiting),
            ("admitted", "Images being decoded, waiting or in work.", lambda: batcher.num_admitted),
        ):
            gauge = Gauge(f"singleshot_images_{name}", describe, registry=self.registry)
            gauge.set_function(read)
        Info("singleshot_model", "The detector.", registry=self.registry).info(
            {"name": model.name, "kind": model.kind, "runtime": model.runtime}
            | {"version": model.version}
        )

    def count(self, found: BatchedDetections, decode: float, class_names: tuple[str, ...]) -> None:
        """Count an image that was detected in, `decode` seconds after its body was there."""
        phases = found.seconds
        for name, seconds in (
            ("decode", decode),
            ("wait", found.waited),
            ("preprocess", phases.preprocess),
            ("network", phases.network),
            ("postprocess", phases.postprocess),
        ):
            if seconds is not None:
                self.phase_seconds.labels(name).observe(max(seconds, 0.0))
        self.batch_images.observe(found.batch)
        for label in found.detections.labels.tolist():
            self.detections.labels(class_names[label]).inc()

    def to_text(self) -> bytes:
        """Write all metrics in Prometheus' text format."""
        return generate_latest(self.registry)


class Monitoring:
    """Wraps an app: counts and logs its requests, and ends connections while it drains."""

    def __init__(self, app: ASGIApp, metrics: Metrics, state: ServerState) -> None:
        self.app, self.metrics, self.state = app, metrics, state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began, status = time.perf_counter(), 0
        notes: dict[str, Any] = scope.setdefault("state", {})

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = list(message.get("headers", []))
                headers.append((b"x-content-type-options", b"nosniff"))
                if self.state.draining:  # the next request is for another server
                    headers.append((b"connection", b"close"))
                message = {**message, "headers": headers}
            await send(message)

        try:
            await self.app(scope, receive, watch)
        finally:
            self._note(scope, status or 500, time.perf_counter() - began, notes)

    def _note(self, scope: Scope, status: int, seconds: float, notes: dict[str, Any]) -> None:
        """Count and log one request."""
        # Known paths alone: anyone can send any other.
        route = getattr(scope.get("route"), "path", "other")
        self.metrics.requests.labels(route, str(status), notes.get("kind", "")).inc()
        if route == "/v1/detect":
            self.metrics.request_seconds.observe(seconds)
        if scope["path"] in UNLOGGED:
            return
        client = (scope.get("client") or ("-",))[0]
        path = scope["path"].encode("unicode_escape").decode("ascii")[:200]
        summary = notes.get("summary") or notes.get("kind")
        ACCESS.info(
            "%s %s %s %d %.0f ms%s",
            *(client, scope["method"], path, status, 1000 * seconds),
            f": {summary}" if summary else "",
        )
