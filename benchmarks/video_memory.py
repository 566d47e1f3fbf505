"""Memory over two hours of a film and over 300 dropped connections of a stream.

New processes predict with a detector that takes no time, draw, and write JSON lines; they note
their resident memory (VmRSS). Two hours at 25 frames a second are 180,000 frames, at ten times the
speed 12 minutes. A line is fitted after a quarter. Writes results/video-memory.md and its plots.
"""

import json
import socket
import subprocess
import sys
import threading
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

import av
import numpy as np
import torch

import singleshot
from benchmarks.memory import megabytes
from benchmarks.memory_over_epochs import plot
from singleshot.structures import Detections

RESULTS = Path(__file__).resolve().parent / "results"
RATE = 25
HOURS = 2
SIDE = 416  # pixels; smaller drawings would be enlarged
DROPS = 300
FRAMES_OF_A_CONNECTION = 50
NOTES = 200  # measurements in a series


class Squares:
    """Detects the same five boxes in every frame."""

    class_names = ("cat", "dog")

    def detect(self, images):
        corners = torch.arange(5.0)[:, None] * 60
        boxes = torch.cat([corners, corners, corners + 60, corners + 80], dim=1)
        labels = torch.arange(5) % 2
        return [Detections(boxes, torch.linspace(0.9, 0.4, 5), labels) for _ in images]


def main() -> None:
    rows, parts = [], []
    for what in ("film", "stream"):
        command = [sys.executable, "-m", "benchmarks.video_memory", what]
        done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
        series = json.loads(done.stdout)
        sizes = series["megabytes"]
        start = len(sizes) // 4
        counts = np.linspace(0, series["frames"], len(sizes))
        slope, _ = np.polyfit(counts[start:], sizes[start:], 1)
        rows.append(
            f"| {series['about']} | {series['frames']:,} | {series['frames_per_second']:.0f} "
            f"| {sizes[0]:.0f} MB | {sizes[start]:.0f} MB | {sizes[-1]:.0f} MB "
            f"| {slope * RATE * 3600:+.2f} MB |"
        )
        (RESULTS / f"video-memory-{what}.svg").write_text(plot(sizes, f"{series['about']}"))
        parts.append(f"![resident memory, {series['about']}](video-memory-{what}.svg)")
    table = (
        "| source | frames | a second | at first | after a quarter | at the end "
        "| growth in an hour of 25 frames a second |\n|---|---|---|---|---|---|---|\n"
    ) + "\n".join(rows)
    print(table)
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True
    ).stdout.strip()
    when = f"{datetime.now(timezone.utc):%Y-%m-%d}, commit {commit}, PyAV {version('av')}"
    (RESULTS / "video-memory.md").write_text(
        f"# Memory over hours of video\n\n`python -m benchmarks video-memory`: frames of {SIDE} × "
        f"{SIDE}, 5 detections in each, drawn and written as JSON lines. What a film of "
        f"drawings adds is its index, 75 bytes a frame; that of a stream has none. {when}."
        f"\n\n{table}\n\n" + "\n\n".join(parts) + "\n"
    )


def run(what: str) -> None:
    """Predict on a film or a stream, and print the megabytes as JSON."""
    with TemporaryDirectory() as folder:
        if what == "film":
            film = make_film(Path(folder) / "film.mp4", round(HOURS * 3600 * RATE))
            series = note_memory(film, folder, about=f"film of {HOURS} hours")
        else:
            film = make_film(Path(folder) / "film.ts", FRAMES_OF_A_CONNECTION)
            with socket.create_server(("127.0.0.1", 0)) as server:
                content = film.read_bytes()
                threading.Thread(target=serve, args=(server, content), daemon=True).start()
                url = f"tcp://127.0.0.1:{server.getsockname()[1]}"
                about = f"stream with {DROPS} drops"
                series = note_memory(url, folder, about=about, reconnect_seconds=5)
    print(json.dumps(series))


def serve(server: socket.socket, content: bytes) -> None:
    """Send a film to each client, then drop it; after the last one refuse all."""
    for _ in range(DROPS + 1):
        client, _ = server.accept()
        with client:
            client.sendall(content)
    server.close()


def note_memory(source, folder: str, about: str, **options) -> dict[str, object]:
    """Predict to the end, and collect the memory at equal numbers of frames."""
    sizes, count = [], 0
    started = datetime.now(timezone.utc)
    results = singleshot.predict(
        Squares(), source, draw=f"{folder}/drawn", jsonl=f"{folder}/lines.jsonl", **options
    )
    every = 500 if not options else 1
    try:
        for count, _ in enumerate(results, start=1):
            if count % every == 0:
                sizes.append(megabytes("VmRSS"))
    except singleshot.errors.RunFailed:
        pass  # the stream is gone for good
    seconds = (datetime.now(timezone.utc) - started).total_seconds()
    step = max(len(sizes) // NOTES, 1)
    return {
        "about": about,
        "frames": count,
        "frames_per_second": count / seconds,
        "megabytes": sizes[::step],
    }


def make_film(path: Path, count: int) -> Path:
    """Write a film of a square that moves."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE, options={"preset": "ultrafast"})
        stream.width = stream.height = SIDE
        stream.pix_fmt = "yuv420p"
        for number in range(count):
            pixels = np.full((SIDE, SIDE, 3), 60, dtype=np.uint8)
            left = number % (SIDE - 60)
            pixels[100:180, left : left + 60] = 230
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


if __name__ == "__main__":
    run(sys.argv[1])
