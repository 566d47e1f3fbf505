"""A page in the browser of the tests: sizes, colours, and a log that has to stay empty."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from PIL import Image
from playwright.sync_api import Browser, Page

PHONE, DESK = {"width": 390, "height": 844}, {"width": 1440, "height": 900}
WIDTH, HEIGHT = 320, 240  # of images that are made
COMBINATIONS = [(size, colours) for size in (PHONE, DESK) for colours in ("light", "dark")]


@contextmanager
def opened_page(
    browser: Browser, url: str, *, allowed: Callable[[str], bool] = lambda _: False, **options: Any
) -> Iterator[Page]:
    """Open a page in a context of its own; it logs nothing, but for what is `allowed`."""
    context = browser.new_context(**options)
    page, log = context.new_page(), []
    page.on("console", lambda message: log.append(message.text))
    page.on("pageerror", lambda error: log.append(str(error)))
    page.goto(url)
    yield page
    context.close()
    assert [one for one in log if not allowed(one)] == []


def wait_until(page: Page, expression: str, seconds: float = 30) -> Any:
    """Wait until a JavaScript expression is true; `wait_for_function` is refused by the policy."""
    end = time.monotonic() + seconds
    while not (value := page.evaluate(expression)):
        assert time.monotonic() < end, f"never true: {expression}"
        page.wait_for_timeout(30)
    return value


def image_file(size: tuple[int, int] = (WIDTH, HEIGHT), kind: str = "PNG", **options) -> bytes:
    pixels = np.random.default_rng(0).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind, **options)
    return file.getvalue()


def add(page: Page, *names: str, content: bytes | None = None, kind: str = "image/png") -> None:
    """Choose image files, and wait for their detections."""
    files = [
        {"name": name, "mimeType": kind, "buffer": content or image_file()}
        for name in names or ["one.png"]
    ]
    page.set_input_files("#files", files)
    wait_until(page, "state.items.length && state.items.every((one) => one.status === 'done')")
    settle(page)


def settle(page: Page) -> None:
    """Wait until the page has drawn."""
    page.evaluate("new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")
