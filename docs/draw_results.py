"""Draws the images of README.md and docs/index.md: detections, the report, a plot of it.

    python docs/draw_results.py RUN DATA

RUN is a trained detector, DATA the images it is evaluated on (split test). Those in the repository
are of the run and the blood cells that docs/draw_ssd.py names. Needs Chromium and playwright.
"""

from __future__ import annotations

import io
import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image
from playwright.sync_api import sync_playwright

import singleshot
from singleshot.drawing import draw_boxes

FOLDER = Path(__file__).parent / "images"
COLOURS = 256  # of a file
WIDTH = 560  # pixels of the drawn photograph
SCORE_THRESHOLD = 0.3
DESK = {"width": 1200, "height": 930}  # of the browser's window

# From the heading of the section on precision and recall to that of the images below.
PLOT = """() => {
  const top = document.querySelector('#explore').getBoundingClientRect().top + scrollY - 24;
  const end = document.querySelector('#images').getBoundingClientRect().top + scrollY;
  return {x: 0, y: top, width: innerWidth, height: end - top};
}"""


def draw_detections(detector: singleshot.Detector, data: str) -> None:
    """Draw the detections in the first test image that has objects of all classes."""
    dataset = singleshot.open_dataset(data, "test")
    of_all = (
        sample
        for sample in map(dataset.__getitem__, range(len(dataset)))
        if len(sample.truth.labels.unique()) == len(dataset.class_names)
    )
    sample = next(of_all)
    (found,) = detector.detect([sample.image])
    drawn = draw_boxes(sample.image, found[found.scores >= SCORE_THRESHOLD], detector.class_names)
    height = round(WIDTH * drawn.height / drawn.width)
    save("detections", drawn.resize((WIDTH, height), Image.Resampling.LANCZOS))


def photograph_report(report: Path) -> None:
    """Take what a browser shows: the top of the page, and its plot of precision and recall."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"))
        page = browser.new_page(viewport=DESK, color_scheme="light")
        page.goto(report.resolve().as_uri())
        save("report", as_image(page.screenshot()))
        plot = page.evaluate(PLOT)
        save("precision-recall", as_image(page.screenshot(full_page=True, clip=plot)))
        browser.close()


def as_image(png: bytes) -> Image.Image:
    """Read a screenshot."""
    return Image.open(io.BytesIO(png)).convert("RGB")


def save(name: str, image: Image.Image) -> None:
    """Write one image."""
    path = FOLDER / f"{name}.png"
    path.parent.mkdir(exist_ok=True)
    image.quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)
    print(f"{path}: {image.width} x {image.height}, {path.stat().st_size // 1024} KB")


def main(run: str, data: str) -> None:
    """Evaluate a run, and draw."""
    draw_detections(singleshot.load(run), data)
    with TemporaryDirectory() as folder:
        singleshot.evaluate(run, data, split="test", protocol="coco", report=folder)
        photograph_report(Path(folder, "report.html"))


if __name__ == "__main__":
    main(*sys.argv[1:])
