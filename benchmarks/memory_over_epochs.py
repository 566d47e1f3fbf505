"""Growth of memory over 200 epochs of a tiny data set, with two workers and validations.

A new process trains and notes its resident memory (VmRSS) after each epoch; after a quarter of the
epochs, in which caches and allocators fill, a line is fitted. Writes results/memory.md and .svg.
"""

import json
import os
import subprocess
import sys
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

RESULTS = Path(__file__).resolve().parent / "results"
TESTS = Path(__file__).resolve().parent.parent / "tests"
EPOCHS = 200
WARM_UP = EPOCHS // 4
WIDTH, HEIGHT, MARGIN = 640, 240, 40  # of the plot, pixels


def main() -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), *sys.path])}
    command = [sys.executable, "-m", "benchmarks.memory_over_epochs"]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
    sizes = json.loads(done.stdout)
    slope, _ = np.polyfit(range(WARM_UP, len(sizes)), sizes[WARM_UP:], 1)
    table = (
        "| epochs | after the first | after a quarter | at the end | slope after a quarter |\n"
        "|---|---|---|---|---|\n"
        f"| {len(sizes)} | {sizes[0]:.0f} MB | {sizes[WARM_UP]:.0f} MB | {sizes[-1]:.0f} MB "
        f"| {1000 * slope:+.1f} kB an epoch |"
    )
    print(table)
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True
    ).stdout.strip()
    when = f"{datetime.now(timezone.utc):%Y-%m-%d}, commit {commit}, torch {version('torch')}"
    (RESULTS / "memory.svg").write_text(plot(sizes, f"{len(sizes)} epochs"))
    (RESULTS / "memory.md").write_text(
        f"# Memory over {len(sizes)} epochs\n\n`python -m benchmarks memory-over-epochs`: 6 "
        f"images of 128 × 96, two steps an epoch, two workers, a validation every ten epochs. "
        f"{when}.\n\n{table}\n\n![resident memory by epoch](memory.svg)\n"
    )


def train_and_note() -> None:
    """Train in a process of its own, and print the megabytes after each epoch as JSON."""
    from cells import make_cells  # noqa: PLC0415 (beside the tests)
    from killing import OVERRIDES  # noqa: PLC0415

    import singleshot  # noqa: PLC0415
    from benchmarks.memory import megabytes  # noqa: PLC0415

    sizes = []

    class Notes:
        def on_start(self, start): ...

        def on_step(self, step):
            if step.step % 2 == 0:
                sizes.append(megabytes("VmRSS"))

        def on_evaluation(self, record): ...

        def on_message(self, message): ...

        def on_finish(self): ...

    settings = {"training.epochs": EPOCHS, "training.validate_every": 10}
    with TemporaryDirectory() as folder:
        cells = make_cells(Path(folder) / "cells")
        run, overrides = Path(folder) / "run", {**OVERRIDES, **settings}
        singleshot.train("ssdlite320-lite0", cells, run=run, overrides=overrides, callback=Notes())
    print(json.dumps(sizes))


def plot(sizes: list[float], end: str) -> str:
    """Draw the sizes on an axis from 0 to a tenth above the largest."""
    top = 1.1 * max(sizes)
    points = " ".join(
        f"{MARGIN + (WIDTH - 2 * MARGIN) * index / (len(sizes) - 1):.1f},"
        f"{HEIGHT - MARGIN - (HEIGHT - 2 * MARGIN) * size / top:.1f}"
        for index, size in enumerate(sizes)
    )
    text = '<text font-family="sans-serif" font-size="12" '
    base = HEIGHT - MARGIN
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}">'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>'
        f'<path d="M{MARGIN} {MARGIN}V{base}H{WIDTH - MARGIN}" fill="none" stroke="gray"/>'
        f'<polyline points="{points}" fill="none" stroke="teal" stroke-width="1.5"/>'
        f'{text}x="{MARGIN}" y="{MARGIN - 8}">resident memory, 0 to {top:.0f} MB</text>'
        f'{text}x="{WIDTH - MARGIN}" y="{base + 16}" text-anchor="end">'
        f"{end}</text></svg>\n"
    )


if __name__ == "__main__":
    train_and_note()
