"""10,000 small images over two workers of Ray Data, compared with one process.

python -m benchmarks batch

The driver is killed (SIGKILL) after a third and started again; then one of its workers is killed.
Boxes and scores of every image must be those of one process, to the last bit.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

TESTS = Path(__file__).resolve().parent.parent / "tests"
NUM_IMAGES, NUM_DIFFERENT, NUM_SHARDS, IMAGES_PER_PART = 10_000, 500, 40, 500
BATCH = 32  # images


def main() -> None:
    sys.path.insert(0, str(TESTS))
    import numpy as np  # noqa: PLC0415
    from cells import COLOURS, make_image  # noqa: PLC0415 (beside the tests, found from here on)
    from ray_driver import write_parquet  # noqa: PLC0415
    from small_ssd import make_run  # noqa: PLC0415

    with TemporaryDirectory() as name:
        folder, random = Path(name), np.random.default_rng(0)
        for part in ("JPEGImages", "Annotations"):
            (folder / "cells" / part).mkdir(parents=True)
        for index in range(NUM_DIFFERENT):
            make_image(folder / "cells", str(index), COLOURS, random)
        contents = [
            (folder / "cells/JPEGImages" / f"{index}.jpg").read_bytes()
            for index in range(NUM_DIFFERENT)
        ]
        images = [(f"{index:05d}", contents[index % NUM_DIFFERENT]) for index in range(NUM_IMAGES)]
        write_parquet(images, folder / "shards", NUM_SHARDS)
        run = make_run(folder / "run", classes=tuple(COLOURS))
        expected, alone = predict_alone(run, images)
        killed, before = drive(folder, "--kill-driver", str(NUM_IMAGES // 3))
        assert killed.returncode == -signal.SIGKILL, killed.stderr
        again, after = drive(folder, "--kill-worker", images[-1][0])
        assert again.returncode == 0, again.stderr
        summary = json.loads(again.stdout.splitlines()[-1])
        equal = count_equal(folder / "out" / "results.json", expected)
    print(
        "| images | finished when the driver was killed | equal to one process "
        "| seconds of one process | of two workers, both starts |"
    )
    print("|---|---|---|---|---|")
    print(
        f"| {summary['num_images']} | {summary['finished_before']} | {equal} | {alone:.0f} "
        f"| {before:.0f} + {after:.0f} |"
    )


def predict_alone(
    run: Path, images: list[tuple[str, bytes]]
) -> tuple[dict[str, dict[str, object]], float]:
    """Detect in this process; returns the rows by name, and the seconds."""
    from singleshot.batch import Predictor  # noqa: PLC0415

    predictor, began = Predictor(run, score_threshold=0, device="cpu"), time.monotonic()
    rows = []
    for start in range(0, len(images), BATCH):
        names, contents = zip(*images[start : start + BATCH], strict=True)
        rows += predictor.predict_rows({"path": names, "bytes": contents})
    return {row["image"]: row for row in rows}, time.monotonic() - began


def drive(folder: Path, *words: str) -> tuple[subprocess.CompletedProcess[str], float]:
    """Run the driver to its end; returns how it ended, and the seconds."""
    paths = (str(folder / part) for part in ("shards", "run", "out/results.json"))
    began = time.monotonic()
    done = subprocess.run(
        [
            *(sys.executable, str(TESTS / "ray_driver.py"), *paths),
            *("--images-per-part", str(IMAGES_PER_PART), *words),
        ],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    return done, time.monotonic() - began


def count_equal(results: Path, expected: dict[str, dict[str, object]]) -> int:
    """Count the images whose classes, scores and boxes are those of one process."""
    found: dict[str, list[dict[str, object]]] = {name: [] for name in expected}
    for entry in json.loads(results.read_text()):
        found[entry["image_id"]].append(entry)
    return sum(
        [one["score"] for one in found[name]] == row["scores"]
        and [one["category_name"] for one in found[name]] == row["names"]
        and [one["bbox"] for one in found[name]]
        == [[x1, y1, x2 - x1, y2 - y1] for x1, y1, x2, y2 in row["boxes"]]
        for name, row in expected.items()
    )
