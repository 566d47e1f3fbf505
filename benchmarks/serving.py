"""Throughput, latency and memory of a server, beside a plain loop of the same detector.

python -m benchmarks serving

Clients are Locust's, in another process (pip install locust). The loop decodes the same images from
memory and detects in one after the other, in a process with as many threads as the server's; both
take turns. Then come requests at twice the rate that 16 clients reached, and REQUESTS more, over
which the resident memory is noted. Writes results/serving.md and serving.svg.

The environment may have MODEL, a run or an exported model (else a recipe with random weights in
ONNX), IMAGES, a folder of JPEG files (else made ones), REQUESTS (100000) and the SECONDS of each
load (10).
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from itertools import cycle
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.request import urlopen

import numpy as np

from benchmarks.memory_over_epochs import plot

RESULTS = Path(__file__).resolve().parent / "results"
LOAD = Path(__file__).resolve().with_name("serving_load.py")
RECIPE = "ssdlite320-lite0"
REQUESTS = int(os.environ.get("REQUESTS", "100000"))
SECONDS = float(os.environ.get("SECONDS", "10"))
CLIENTS = (1, 4, 16)
WARM_UP = 0.25  # part of the requests in which allocators and caches fill


@dataclass(frozen=True)
class Load:
    """Answers to some clients."""

    name: str
    statuses: Counter[int]
    milliseconds: np.ndarray  # of those with 200
    seconds: float

    def row(self) -> str:
        answered = len(self.milliseconds)
        median, slow = np.percentile(self.milliseconds, [50, 99]) if answered else (0, 0)
        refused, failed = self.statuses[429], self.num_failed
        return (
            f"| {self.name} | {answered / self.seconds:.1f} | {median:.0f} | {slow:.0f} "
            f"| {answered} | {refused} | {failed} |"
        )

    @property
    def rate(self) -> float:
        """Images per second."""
        return len(self.milliseconds) / self.seconds

    @property
    def num_failed(self) -> int:
        """Answers that are neither detections nor a refusal, and requests without one."""
        return self.statuses.total() - self.statuses[200] - self.statuses[429]


def main() -> None:
    with TemporaryDirectory() as folder:
        images = Path(os.environ.get("IMAGES") or make_images(Path(folder)))
        model = os.environ.get("MODEL") or make_model(Path(folder))
        with running_server(model) as (process, url):
            rows = [load.row() for load in measure_loads(model, images, url, Path(folder))]
            sizes = measure_memory(images, url, process, Path(folder))
            exit_code = end(process)
    print_results(model, rows, sizes, exit_code)


def measure_loads(model: str, images: Path, url: str, folder: Path) -> Iterator[Load]:
    """Load the server with more and more clients, each time beside the loop."""
    best = 0.0
    for number in CLIENTS:
        yield plain_loop(model, images)
        load = send(images, url, folder, clients=number, seconds=SECONDS)
        best = max(best, load.rate)
        yield load
    # Enough clients that those who wait for an answer do not lower the rate.
    clients = 64
    yield send(images, url, folder, clients=clients, seconds=SECONDS, rate=2 * best / clients)


def measure_memory(
    images: Path, url: str, process: subprocess.Popen[str], folder: Path
) -> list[float]:
    """Return the resident memory in MB while REQUESTS are answered."""
    sizes, before = [resident_megabytes(process)], num_answered(url)
    with sending(images, url, folder, clients=16, seconds=1e6) as clients:
        while (done := num_answered(url) - before) < REQUESTS:
            time.sleep(min(max(REQUESTS / 50_000, 0.2), 5.0))
            sizes.append(resident_megabytes(process))
            assert clients.poll() is None, f"clients ended after {done} requests"
        clients.send_signal(signal.SIGINT)
        clients.wait()
    return sizes


@contextmanager
def running_server(model: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Start a server; its access log is written as by any."""
    command = [sys.executable, "-m", "singleshot", "serve", model, "--port", "0"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    address = None
    while address is None:
        line = process.stderr.readline()
        assert line, "the server did not start"
        address = re.search(r"http://\S+", line)
    log = subprocess.Popen(["cat"], stdin=process.stderr, stdout=subprocess.DEVNULL)
    try:
        yield process, address[0]
    finally:
        process.kill()
        process.wait()
        log.wait()


def end(process: subprocess.Popen[str]) -> int:
    process.send_signal(signal.SIGTERM)
    return process.wait(120)


def send(
    images: Path, url: str, folder: Path, *, clients: int, seconds: float, rate: float = 0.0
) -> Load:
    """Send requests from another process, `rate` of each client in a second."""
    with sending(images, url, folder, clients=clients, seconds=seconds, rate=rate) as process:
        process.wait()
    answers = json.loads((folder / "answers.json").read_text())
    name = f"{clients} client{'s' * (clients > 1)}"
    return Load(
        f"server, {clients * rate:.0f} requests per second" if rate else f"server, {name}",
        Counter(status for status, _ in answers),
        np.array([1000 * taken for status, taken in answers if status == 200]),
        seconds,
    )


@contextmanager
def sending(
    images: Path, url: str, folder: Path, *, clients: int, seconds: float, rate: float = 0.0
) -> Iterator[subprocess.Popen[bytes]]:
    """Start Locust for so many seconds."""
    environment = {
        "IMAGES": str(images),
        "RATE": str(rate),
        "RESULT": str(folder / "answers.json"),
    }
    command = [
        *(sys.executable, "-m", "locust", "--headless", "--locustfile", str(LOAD), "--host", url),
        *("--users", str(clients), "--spawn-rate", "100", "--run-time", f"{seconds:.0f}s"),
        *("--stop-timeout", "60", "--skip-log-setup"),
    ]
    process = subprocess.Popen(
        command, env={**os.environ, **environment}, stdout=subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def plain_loop(model: str, images: Path) -> Load:
    """Decode and detect in one image after the other, in another process."""
    command = [sys.executable, "-m", "benchmarks.serving", model, str(images), str(SECONDS)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    taken = np.array(json.loads(done.stdout))
    return Load("plain loop", Counter({200: len(taken)}), 1000 * taken, float(taken.sum()))


def print_loop(model: str, images: str, seconds: str) -> None:
    """Print the seconds of each image of the loop as JSON."""
    import singleshot  # noqa: PLC0415 (in another process)
    from singleshot.data.machine import available_cores  # noqa: PLC0415
    from singleshot.serving.images import PixelLimits, decode_image  # noqa: PLC0415

    detector = singleshot.load(model, threads=available_cores())
    contents = cycle([path.read_bytes() for path in sorted(Path(images).glob("*.jpg"))])
    limits = PixelLimits(10**8, 10**15)
    detector.detect([decode_image(next(contents), limits)])
    taken: list[float] = []
    while sum(taken) < float(seconds):
        began = time.perf_counter()
        detector.detect([decode_image(next(contents), limits)])
        taken.append(time.perf_counter() - began)
    print(json.dumps(taken))


def resident_megabytes(process: subprocess.Popen[str]) -> float:
    status = Path(f"/proc/{process.pid}/status").read_text()
    [line] = [line for line in status.splitlines() if line.startswith("VmRSS:")]
    return int(line.split()[1]) * 1024 / 1e6


def num_answered(url: str) -> int:
    """Count the images that the server has detected in."""
    text = urlopen(f"{url}/metrics").read().decode()
    found = re.search(r"^singleshot_batch_images_count (\S+)$", text, re.MULTILINE)
    return int(float(found[1])) if found else 0


def make_images(folder: Path) -> Path:
    """Write images of 640 x 480 pixels, about 100 kB each."""
    from PIL import Image, ImageFilter  # noqa: PLC0415

    images = folder / "images"
    images.mkdir()
    random = np.random.default_rng(0)
    for number in range(16):
        pixels = random.integers(256, size=(480, 640, 3), dtype=np.uint8)
        blurred = Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(2))
        blurred.save(images / f"{number}.jpg", quality=95)
    return images


def make_model(folder: Path) -> str:
    """Export a recipe with random weights to ONNX."""
    import singleshot  # noqa: PLC0415
    from singleshot.checkpoints.checkpoint import Checkpoint  # noqa: PLC0415
    from singleshot.families import build_detector  # noqa: PLC0415
    from singleshot.recipes.load import load_recipe  # noqa: PLC0415
    from singleshot.runs.folder import RunFolder  # noqa: PLC0415

    run = RunFolder(folder / "run")
    recipe = load_recipe(RECIPE, {})
    names = tuple(f"class {number}" for number in range(20))
    detector = build_detector(recipe.model, names, pretrained=False)
    Checkpoint.of(detector, recipe).save(run.last)
    run.begin(recipe)
    result = singleshot.export(run.path, "onnx", output=folder / "onnx", skip_timing=True)
    return str(result.folder)


def print_results(model: str, rows: list[str], sizes: list[float], exit_code: int) -> None:
    """Print tables, and write them with the plot of the memory."""
    start = int(WARM_UP * len(sizes))
    per_sample = REQUESTS / max(len(sizes) - 1, 1)
    slope = np.polyfit(np.arange(start, len(sizes)) * per_sample, sizes[start:], 1)[0]
    text = "\n".join(
        [
            "| | images per second | p50 (ms) | p99 (ms) | answered | 429 | failed |",
            "|---|---|---|---|---|---|---|",
            *rows,
            "",
            "| requests | memory at first | after a quarter | at the end | slope after a quarter |",
            "|---|---|---|---|---|",
            f"| {REQUESTS} | {sizes[0]:.0f} MB | {sizes[start]:.0f} MB | {sizes[-1]:.0f} MB "
            f"| {1e6 * slope:+.0f} bytes a request |",
            "",
            f"Exit code after SIGTERM: {exit_code}.",
        ]
    )
    print(text)
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True
    ).stdout.strip()
    when = f"{datetime.now(timezone.utc):%Y-%m-%d}, commit {commit}, {os.cpu_count()} cores"
    name = os.environ.get("MODEL") and Path(model).name
    what = f"the model {name}" if name else f"{RECIPE} with random weights in ONNX"
    (RESULTS / "serving.svg").write_text(plot(sizes, f"{REQUESTS} requests"))
    (RESULTS / "serving.md").write_text(
        f"# A server beside a plain loop\n\n`python -m benchmarks serving`, {what}; clients, "
        f"server and loop share the machine. {when}.\n\n{text}\n\n"
        f"![resident memory by request](serving.svg)\n"
    )


if __name__ == "__main__":
    print_loop(*sys.argv[1:])
