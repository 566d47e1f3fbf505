"""The web export in Chromium: milliseconds of each phase, frames per second, float and int8.

    python -m benchmarks web
    python -m benchmarks.web [FOLDER...]

SSDLite320 on EfficientNet-Lite0 with random weights, or folders that `export --to web` wrote.
Images of 640 × 480 pixels, one after the other: in one thread, from disk; in all threads, from a
server that isolates the page; and in Python, with the same ONNX file in onnxruntime. `total` has
the copies to the worker and back, `camera` counts frames of a made camera of Chromium for some
seconds.

Needs Chromium, and onnxruntime-web in the folder of downloads (`export --download-runtime`). Real
images are found in SINGLESHOT_SHARED, else `shared` beside the repository, else they are drawn.
"""

import base64
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from threading import Thread

from playwright.sync_api import Browser, Page, sync_playwright

from benchmarks.latency_models import NO_GATE, copy_images, export, random_run
from singleshot.data.image_files.decoding import read_image
from singleshot.importers.class_names import VOC_NAMES
from singleshot.runtimes.exported import open_exported

SHARED = Path(__file__).resolve().parents[2] / "shared"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
CAMERA = ("--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream")
# Browsers compile WebAssembly fast first, and better while it runs.
WARM_UP, CAMERA_SECONDS = 20, 5.0
PHASES = ("preprocess", "network", "postprocess", "total")
COLUMNS = "{:22} {:8} {:>7} {:>10} {:>8} {:>11} {:>6} {:>8} {:>7}"
DETECT = """
async (content) => {
  globalThis.source ??= await openSource();
  const bytes = Uint8Array.from(atob(content), (one) => one.charCodeAt(0));
  const frame = await frameOfBlob(new Blob([bytes]), "image");
  frame.imageData(); // of a canvas the first time it is slower
  const start = performance.now();
  const { milliseconds } = await source.detect(frame, { scoreThreshold: 0 });
  return [...Object.values(milliseconds), performance.now() - start, source.threads];
}
"""
FILM = """
async (seconds) => {
  const video = document.createElement("video");
  const size = { width: 640, height: 480 };
  video.srcObject = await navigator.mediaDevices.getUserMedia({ video: size });
  await video.play();
  const start = performance.now();
  let frames = 0;
  for (; performance.now() - start < 1000 * seconds; frames += 1) {
    await source.detect(frameOfVideo(video, 4096), { scoreThreshold: 0.3 });
  }
  video.srcObject.getTracks().forEach((one) => one.stop());
  return (1000 * frames) / (performance.now() - start);
}
"""


def main(folders: Sequence[Path] = ()) -> None:
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        print("not measured: no Chromium")
        return
    shared = Path(os.environ.get("SINGLESHOT_SHARED", SHARED)) / "data" / "tiny_coco"
    with tempfile.TemporaryDirectory() as work, sync_playwright() as playwright:
        images = copy_images(shared if shared.is_dir() else None, Path(work) / "images")
        chosen = list(folders) or list(export_models(images, Path(work)))
        browser = playwright.chromium.launch(
            executable_path=program, args=["--no-sandbox", "--disable-gpu", *CAMERA]
        )
        print(f"Chromium {browser.version}")
        print(
            COLUMNS.format("model", "where", "threads", *PHASES[:3], "total", "images/s", "camera")
        )
        for folder in chosen:
            measure(folder, images, browser)
        browser.close()


def export_models(images: Sequence[Path], work: Path) -> Iterator[Path]:
    """Export the detector in floats and in int8."""
    run = random_run("ssdlite320-lite0", VOC_NAMES, images, work / "lite0")
    calibration = ["--int8", "--calibrate", str(images[0].parent), *NO_GATE]
    for name, words in (("float32", []), ("int8", calibration)):
        folder = work / f"lite0-{name}"
        reason = export(run, "web", folder, words)
        if reason is None:
            yield folder
        else:
            print(f"{folder.name}: not measured: {reason}")


def measure(folder: Path, images: Sequence[Path], browser: Browser) -> None:
    """Time a model in the page, in one thread and in several, and in Python."""
    with serving_isolated(folder) as url:
        for address in ((folder / "index.html").resolve().as_uri(), f"{url}/index.html"):
            page = browser.new_context(permissions=[]).new_page()
            page.goto(address)
            threads, times, rate = measure_page(page, images)
            print_row(folder.name, "browser", threads, times, f"{rate:.1f}")
            page.context.close()
            print_row(folder.name, "Python", threads, measure_python(folder, images, threads), "")


def measure_page(page: Page, images: Sequence[Path]) -> tuple[int, list[list[float]], float]:
    """Return threads, times of each phase, and frames of a camera per second."""
    contents = [base64.b64encode(path.read_bytes()).decode("ascii") for path in images]
    rows = [page.evaluate(DETECT, content) for content in (*contents[:WARM_UP], *contents)]
    *times, threads = ([row[index] for row in rows[WARM_UP:]] for index in range(5))
    return int(threads[0]), times, float(page.evaluate(FILM, CAMERA_SECONDS))


def measure_python(folder: Path, images: Sequence[Path], threads: int) -> list[list[float]]:
    """Time the phases of the same model in onnxruntime."""
    detector = open_exported(folder, threads)
    times: list[list[float]] = []
    for path in (*images[:WARM_UP], *images):
        image = read_image(path)
        marks = [time.perf_counter()]
        batch = detector.preprocess([image])
        marks.append(time.perf_counter())
        outputs = detector.infer(batch)
        marks.append(time.perf_counter())
        detector.postprocess(outputs, [(image.shape[1], image.shape[2])])
        marks.append(time.perf_counter())
        phases = [1000 * (end - start) for start, end in pairwise(marks)]
        times.append([*phases, sum(phases)])
    return [list(column) for column in zip(*times[WARM_UP:], strict=True)]


def print_row(
    name: str, where: str, threads: int, times: Sequence[Sequence[float]], camera: str
) -> None:
    """Print medians of the phases."""
    medians = [statistics.median(one) for one in times]
    texts = [f"{one:.1f}" for one in medians]
    print(
        COLUMNS.format(name, where, threads, *texts, f"{1000 / medians[-1]:.1f}", camera),
        flush=True,
    )


@contextmanager
def serving_isolated(folder: Path) -> Iterator[str]:
    """Serve a folder with the headers that isolate its pages, so that they can have threads."""

    class Handler(SimpleHTTPRequestHandler):
        def end_headers(self) -> None:
            self.send_header("Cross-Origin-Opener-Policy", "same-origin")
            self.send_header("Cross-Origin-Embedder-Policy", "require-corp")
            super().end_headers()

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


if __name__ == "__main__":
    main([Path(one) for one in sys.argv[1:]])
