"""The routes of a server: detections, the model, probes, metrics."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Query, Request, Security
from fastapi.responses import PlainTextResponse, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel
from starlette.datastructures import QueryParams
from starlette.middleware.cors import CORSMiddleware

from singleshot.data.machine import available_cores
from singleshot.prediction.thresholds import above_thresholds, class_thresholds
from singleshot.serving.admission import RateLimit, require_key
from singleshot.serving.answers import DetectionsAnswer, ModelAnswer, encode_detections
from singleshot.serving.batching import Batcher
from singleshot.serving.description import make_model_answer, prior_summary
from singleshot.serving.images import IMAGE_TYPES, PixelLimits, decode_image
from singleshot.serving.monitoring import Metrics, Monitoring, ServerState
from singleshot.serving.options import ServingOptions
from singleshot.serving.page import add_page
from singleshot.serving.problems import (
    Problem,
    document_problems,
    handle_problems,
    problems_at,
)
from singleshot.serving.request_body import FORM_TYPE, BodyReader
from singleshot.structures import Detector
from singleshot.version import __version__

__all__ = ["DetectionService", "create_app"]

DESCRIPTION = "Detects objects in images."
MOST_DECODERS = 4
# Images of the largest size that are decoded at once; of smaller ones more, up to --max-waiting.
MOST_LARGEST, LEAST_PIXELS = 4, 20_000_000

Threshold = Annotated[
    float | None,
    Query(ge=0, le=1, description="Lowest score of a detection; default: those of /v1/model."),
]


Credentials = Annotated[
    HTTPAuthorizationCredentials | None,
    Security(HTTPBearer(auto_error=False, description="An API key of the server.")),
]


class DetectionService:
    """A detector with its limits: what a request for detections goes through."""

    def __init__(self, detector: Detector, options: ServingOptions, name: str) -> None:
        self.detector, self.options = detector, options
        self.class_names = tuple(detector.class_names)
        self.thresholds = class_thresholds(detector, options.score_threshold, options.on_message)
        priors = prior_summary(detector)
        self.level_of_prior = None if priors is None else priors.level_of_prior()
        self.model = make_model_answer(
            detector, self.thresholds.tolist(), options, name=name, priors=priors
        )
        self.batcher = Batcher(
            detector,
            max_images=options.max_waiting,
            max_batch=options.max_batch,
            wait=options.batch_wait / 1000,
        )
        self.bodies = BodyReader(
            max_bytes=options.max_bytes,
            max_bytes_of_all=options.max_bytes * options.max_waiting,
            seconds=options.body_seconds,
        )
        self.pixel_limits = PixelLimits(
            options.max_pixels, max(options.max_pixels * MOST_LARGEST, LEAST_PIXELS)
        )
        self.decoders = ThreadPoolExecutor(
            min(available_cores(), MOST_DECODERS), thread_name_prefix="decoder"
        )
        self.rate_limit = RateLimit(options.rate)
        self.metrics, self.state = Metrics(self.batcher, self.model), ServerState()

    async def detect(self, request: Request, score_threshold: float | None) -> bytes:
        """Answer a request for detections with JSON; raises Problem."""
        content = await self.read(request)
        began, loop = time.perf_counter(), asyncio.get_running_loop()
        with self.batcher.admitted():
            image = await loop.run_in_executor(
                self.decoders, decode_image, content, self.pixel_limits
            )
            decode = time.perf_counter() - began
            _, height, width = image.shape
            found = await self.batcher.detect(image)
            del image
        seconds = (decode, time.perf_counter() - began)
        thresholds = self.thresholds
        if score_threshold is not None:
            thresholds = class_thresholds(self.detector, score_threshold)
        kept = found.detections[above_thresholds(found.detections, thresholds)]
        found = replace(found, detections=kept)
        self.metrics.count(found, decode, self.class_names)
        request.state.summary = (
            f"{width} x {height}, {len(found.detections)} found, batch of {found.batch}"
        )
        names, levels = self.class_names, self.level_of_prior
        return await loop.run_in_executor(
            self.decoders, encode_detections, (height, width), found, names, levels, seconds
        )

    async def read(self, request: Request) -> bytes:
        """Read the image of a request that there is place for; raises Problem."""
        try:
            self.rate_limit.require_token(request.client.host if request.client else "")
            self.batcher.require_place()
            return await self.bodies.read_image(request)
        except Problem as problem:
            if problem.status != HTTPStatus.REQUEST_TIMEOUT:  # its time is over already
                await self.bodies.discard(request)
            raise


def create_app(
    detector: Detector, options: ServingOptions | None = None, *, name: str = "detector"
) -> FastAPI:
    """Make an ASGI application that detects objects in images; its threads start with requests.

    `app.state.service` is its DetectionService. `name` is that of the model for clients.
    """
    options = options or ServingOptions()
    service = DetectionService(detector, options, name)

    # Its pages of documentation load programs from elsewhere; openapi.json is what they show.
    app = FastAPI(
        title="singleshot",
        description=DESCRIPTION,
        version=__version__,
        docs_url=None,
        redoc_url=None,
    )
    app.state.service = service
    handle_problems(app)
    _add_detection(app, service)
    _add_probes(app, service)
    add_page(app, name)
    document_problems(app)
    if options.cors_origin:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(options.cors_origin),
            allow_methods=["GET", "POST"],
            allow_headers=["Authorization", "Content-Type"],
            expose_headers=["Retry-After"],
        )
    app.add_middleware(Monitoring, metrics=service.metrics, state=service.state)
    return app


def _answered_by(model: type[BaseModel]) -> dict[int | str, dict[str, Any]]:
    """Describe an answer for OpenAPI."""
    return {200: {"model": model}}


def _key_dependency(options: ServingOptions) -> list[Any]:
    """Require an API key where there are some."""
    if not options.api_keys:
        return []

    async def check_key(credentials: Credentials) -> None:
        require_key(credentials.credentials if credentials else None, options.api_keys)

    return [Depends(check_key)]


def _add_detection(app: FastAPI, service: DetectionService) -> None:
    """Add the routes of version 1."""
    needs_key = _key_dependency(service.options)
    refused = (401,) if needs_key else ()
    body = {"schema": {"type": "string", "format": "binary"}}
    form = {
        "schema": {
            "type": "object",
            "properties": {"image": {"type": "string", "format": "binary"}},
            "required": ["image"],
        },
        "encoding": {"image": {"contentType": ", ".join(IMAGE_TYPES)}},
    }

    @app.post(
        "/v1/detect",
        summary="Detect objects in one image",
        dependencies=needs_key,
        responses=_answered_by(DetectionsAnswer)
        | problems_at(400, *refused, 408, 413, 415, 422, 429, 500),
        openapi_extra={
            "requestBody": {
                "required": True,
                "content": {**dict.fromkeys(IMAGE_TYPES, body), FORM_TYPE: form},
            }
        },
    )
    async def detect(request: Request, score_threshold: Threshold = None) -> Response:
        """Send the bytes of a JPEG, PNG or WebP image, or a form with the file."""
        _require_known(request.query_params)
        content = await service.detect(request, score_threshold)
        return Response(content, media_type="application/json")

    model = service.model.model_dump_json()

    @app.get(
        "/v1/model",
        summary="Describe the detector",
        dependencies=needs_key,
        responses=_answered_by(ModelAnswer) | problems_at(*refused),
    )
    async def model_() -> Response:
        """Names of the classes, thresholds, input size, priors and limits."""
        return Response(model, media_type="application/json")


def _require_known(query: QueryParams) -> None:
    """Raise Problem for a parameter that is misspelt or given twice, which would have no effect."""
    names = [name for name, _ in query.multi_items()]
    for name in names:
        if name != "score_threshold" or names.count(name) > 1:
            raise Problem(
                422,
                "invalid parameter",
                place="query",
                value=repr(name)[:100] + (" twice" if name == "score_threshold" else ""),
                remedy="send score_threshold at most, once",
            )


def _add_probes(app: FastAPI, service: DetectionService) -> None:
    """Add the routes for what keeps servers running."""

    @app.head("/healthz", include_in_schema=False)
    @app.get("/healthz", summary="Check that the process answers", response_class=PlainTextResponse)
    async def healthz() -> str:
        """Answer at any time."""
        return "ok"

    @app.head("/readyz", include_in_schema=False)
    @app.get(
        "/readyz",
        summary="Check that requests are taken",
        response_class=PlainTextResponse,
        responses=problems_at(503),
    )
    async def readyz() -> str:
        """Answer 503 from SIGTERM on."""
        if service.state.draining:
            raise Problem(
                503,
                "shutting down",
                place="server",
                value="it is about to end",
                remedy="send requests to another one",
            )
        return "ok"

    @app.get(
        "/metrics",
        summary="Metrics for Prometheus",
        response_class=PlainTextResponse,
        dependencies=_key_dependency(service.options),
        responses=problems_at(401) if service.options.api_keys else None,
    )
    async def metrics() -> Response:
        """Requests, times of phases, batches, detections, memory."""
        return Response(service.metrics.to_text(), media_type=CONTENT_TYPE_LATEST)
