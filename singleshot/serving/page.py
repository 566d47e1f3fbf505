"""The page of the detector at `/`."""

from __future__ import annotations

from functools import cache

from fastapi import FastAPI
from fastapi.responses import HTMLResponse

from singleshot.browser.page import build_page, server_source

__all__ = ["add_page"]

HEADERS = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": "frame-ancestors 'none'",  # the rest is in the page itself
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
    "Referrer-Policy": "no-referrer",
}


def add_page(app: FastAPI, name: str) -> None:
    """Add the page at `/`; it needs no API key, but the requests that it sends do.

    `name` is shown until the page has the answer of `/v1/model`.
    """

    @cache
    def page() -> str:
        return build_page(name, server_source())

    @app.head("/", include_in_schema=False)
    @app.get("/", include_in_schema=False, response_class=HTMLResponse)
    async def index() -> HTMLResponse:
        """Show a page that detects in a visitor's images and camera."""
        return HTMLResponse(page(), headers=HEADERS)
