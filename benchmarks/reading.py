"""Cost of reading predictions: one line of COCO results, beside Python's own json.load.

python -m benchmarks.reading FILE {ours,json} measures one of them, in a process of its own.
"""

import json
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

from benchmarks.memory import peak_megabytes
from singleshot.data.dataset import DataSet
from singleshot.evaluation.predictions import load_predictions
from singleshot.structures import Truth

NUM_IMAGES, NUM_CLASSES = 5000, 80
NUM_DETECTIONS = 500_000


def main() -> None:
    with TemporaryDirectory() as folder:
        file = Path(folder, "found.json")
        write_entries(file)
        print("| | detections | file | time | peak memory |")
        print("|---|---|---|---|---|")
        for name in ("ours", "json"):
            command = [sys.executable, "-m", "benchmarks.reading", str(file), name]
            done = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            print(f"| {name} | {NUM_DETECTIONS:,} | {file.stat().st_size / 1e6:.0f} MB | {done} |")


def write_entries(file: Path) -> None:
    random = np.random.default_rng(0)
    with file.open("w") as out:
        out.write("[")
        for number in range(NUM_DETECTIONS):
            entry = {
                "image_id": int(random.integers(NUM_IMAGES)),
                "category_id": int(random.integers(NUM_CLASSES)),
                "bbox": random.uniform(0, 600, 4).tolist(),
                "score": random.random(),
            }
            out.write(("" if number == 0 else ", ") + json.dumps(entry))
        out.write("]")


def measure_one(file: Path, name: str) -> None:
    nothing = Truth.of(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64))
    dataset = DataSet.of(
        [f"class {label}" for label in range(NUM_CLASSES)],
        [(Path(f"{image}.jpg"), nothing) for image in range(NUM_IMAGES)],
        image_ids=range(NUM_IMAGES),
        category_ids=range(NUM_CLASSES),
        description="blank",
    )
    work = partial(load_predictions, file, dataset) if name == "ours" else partial(read, file)
    start = time.perf_counter()
    megabytes = peak_megabytes(work)
    print(f"{time.perf_counter() - start:.1f} s | {megabytes:.0f} MB", end="")


def read(file: Path) -> object:
    with file.open() as content:
        return json.load(content)


if __name__ == "__main__":
    measure_one(Path(sys.argv[1]), sys.argv[2])
