"""Draws the images of docs/how-to/check-that-priors-fit.md and see-what-training-sees.md.

    python docs/draw_inspection.py RUN DATA

RUN is a trained detector, DATA the images that it was trained on. Those in the repository are of
blood cells (Shenggan/BCCD_Dataset, MIT) and this run:

    singleshot train ssdlite320-lite0 --data bccd --val-split none --run runs/cells \
        --set training.steps=60

Needs Chromium and playwright.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from draw_results import as_image, save
from PIL import Image
from playwright.sync_api import sync_playwright

import singleshot

SAMPLE = 3  # with small and large objects
WIDTH = 1000  # pixels of the drawn matches
DESK = {"width": 1200, "height": 930}  # of the browser's window


def draw_preview(run: str, data: str, folder: Path) -> None:
    """Draw one sample with its matches and its negatives."""
    result = singleshot.preview_data(
        f"{run}/recipe.toml", data, folder, number=SAMPLE, with_model=run
    )
    _, matches, negatives = map(Image.open, result.samples[-1].files)
    height = round(WIDTH * matches.height / matches.width)
    save("preview-matches", matches.resize((WIDTH, height), Image.Resampling.LANCZOS))
    # The panel of the objects is in the other image.
    save("preview-negatives", negatives.crop((negatives.width // 2, 0, *negatives.size)))


def photograph_coverage(data: str, folder: Path) -> None:
    """Take what a browser shows of the page: sizes of objects beside those of priors."""
    singleshot.measure_coverage("ssdlite320-lite0", data, fit=folder / "fitted.toml", report=folder)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page(viewport=DESK, color_scheme="light")
        page.goto((folder / "report.html").resolve().as_uri())
        save("coverage-sizes", as_image(page.locator("#sizes .charts").screenshot()))
        browser.close()


def main(run: str, data: str) -> None:
    """Preview a training, measure coverage, and draw."""
    with TemporaryDirectory() as folder:
        draw_preview(run, data, Path(folder, "preview"))
        photograph_coverage(data, Path(folder))


if __name__ == "__main__":
    main(*sys.argv[1:])
