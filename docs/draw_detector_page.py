"""Draws the image of docs/how-to/the-detector-page.md: the page with blood cells.

    python docs/draw_detector_page.py RUN IMAGE...

RUN is a trained detector. The one in the repository is of the run and the blood cells that
docs/draw_ssd.py names. Needs Chromium, playwright and the extra `serve`.
"""

from __future__ import annotations

import shutil
import sys
import threading
import time

import uvicorn
from draw_results import FOLDER, as_image
from playwright.sync_api import sync_playwright

import singleshot
from singleshot.serving.app import create_app

DESK = {"width": 1360, "height": 1010}  # of the browser's window


def photograph(url: str, images: list[str]) -> None:
    """Take what a browser shows of some images, with priors, the second row highlighted."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"))
        page = browser.new_page(viewport=DESK, color_scheme="light")
        page.goto(url)
        page.set_input_files("#files", images)
        page.locator("#strip .badge[data-status=done]").nth(len(images) - 1).wait_for()
        page.fill("#score", "0.4")
        page.check("#show-priors")
        page.hover("#rows tr:nth-child(2)")
        page.wait_for_timeout(500)
        # Its many colours have meanings: PNG would need too many bytes for them.
        as_image(page.screenshot()).save(FOLDER / "detector-page.jpg", quality=85, optimize=True)
        browser.close()


def main(run: str, *images: str) -> None:
    """Serve a detector, and draw its page."""
    app = create_app(singleshot.load(run), name="Blood cells")
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.1)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        photograph(f"http://127.0.0.1:{port}", list(images))
    finally:
        server.should_exit = True
        thread.join()


if __name__ == "__main__":
    main(*sys.argv[1:])
