"""Errors of a request, as problem details for HTTP (RFC 9457).

Beside the members of the standard a problem has `place`, `value` and `remedy`: where in the request
it is, what was found there, and what to send instead.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

__all__ = [
    "PROBLEM_TYPE",
    "Problem",
    "ProblemDetails",
    "document_problems",
    "handle_problems",
    "problems_at",
]

PROBLEM_TYPE = "application/problem+json"
NAMESPACE = "urn:singleshot:problem:"


class ProblemDetails(BaseModel):
    """The answer to a request that was refused or failed."""

    type: str = Field(description="Kind of problem, urn:singleshot:problem:KIND.")
    title: str = Field(description="The kind in words.")
    status: int = Field(description="HTTP status.")
    detail: str = Field(description="Place, value and remedy in one line.")
    place: str = Field(description="Part of the request.")
    value: str = Field(description="What is there.")
    remedy: str = Field(description="What to send instead.")


class Problem(Exception):
    """A request that is answered by problem details."""

    def __init__(
        self,
        status: int,
        kind: str,
        *,
        place: str,
        value: str,
        remedy: str,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """`kind` is a few words, such as "too many pixels"."""
        super().__init__(f"{place}: {value}; {remedy}")
        self.status, self.kind, self.headers = status, kind, dict(headers or {})
        self.place, self.value, self.remedy = place, value, remedy

    def to_json(self) -> dict[str, Any]:
        """Convert to the members of ProblemDetails."""
        return {
            "type": NAMESPACE + self.kind.lower().replace(" ", "-"),
            "title": self.kind[0].upper() + self.kind[1:],
            "status": self.status,
            "detail": str(self),
            "place": self.place,
            "value": self.value,
            "remedy": self.remedy,
        }

    def to_response(self) -> Response:
        """Make the answer."""
        content = json.dumps(self.to_json(), allow_nan=False)
        return Response(content, self.status, self.headers, PROBLEM_TYPE)


def handle_problems(app: FastAPI) -> None:
    """Answer all errors of an app by problem details."""

    async def answer_problem(request: Request, error: Exception) -> Response:
        problem = _problem_of(request, error)
        request.state.kind = problem.kind
        return problem.to_response()

    for kind in (Problem, RequestValidationError, HTTPException, Exception):
        app.add_exception_handler(kind, answer_problem)


def problems_at(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Describe answers with these statuses for OpenAPI."""
    schema = {"$ref": f"#/components/schemas/{ProblemDetails.__name__}"}
    content = {PROBLEM_TYPE: {"schema": schema}}
    return {
        status: {"description": HTTPStatus(status).phrase, "content": content}
        for status in statuses
    }


def document_problems(app: FastAPI) -> None:
    """Add the schema of problem details, which `problems_at` refers to, to an app's OpenAPI."""
    describe = app.openapi

    def openapi() -> dict[str, Any]:
        document = describe()
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        schemas[ProblemDetails.__name__] = ProblemDetails.model_json_schema()
        return document

    app.openapi = openapi  # type: ignore[method-assign]


def _problem_of(request: Request, error: Exception) -> Problem:
    """Describe an error of ours, of FastAPI or of anything else."""
    match error:
        case Problem():
            return error
        case RequestValidationError():
            first = error.errors()[0]
            return Problem(
                422,
                "invalid parameter",
                place=" ".join(map(str, first["loc"])),
                value=repr(first.get("input"))[:100],
                remedy=str(first["msg"]),
            )
        case HTTPException():
            return _routing_problem(request, error)
        case _:
            return Problem(
                500,
                "internal error",
                place=f"{request.method} {request.url.path}",
                value=type(error).__name__,
                remedy="the server's log has the reason; the request can be repeated",
            )


def _routing_problem(request: Request, error: HTTPException) -> Problem:
    """Describe an unknown path or method."""
    status = HTTPStatus(error.status_code)
    remedies = {
        HTTPStatus.NOT_FOUND: "there are POST /v1/detect and GET /v1/model, see /openapi.json",
        HTTPStatus.METHOD_NOT_ALLOWED: "use a method that the header Allow names",
    }
    return Problem(
        status,
        status.phrase.lower(),
        place="request",
        value=f"{request.method} {request.url.path}"[:200],
        remedy=remedies.get(status, str(error.detail)),
        headers=error.headers,
    )
