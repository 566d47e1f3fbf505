"""Memory of detecting in a million images, and of evaluating the detections.

The detector makes up 20 detections per image, the images are blank; every third detection, moved
a little, is a truth. Peaks are those of a process of its own, above what it held before: when
evaluating, the detections (56 bytes each, 1.1 GB) and truths (66 bytes each, 0.4 GB).
"""

import subprocess
import sys
import time
from collections.abc import Sequence
from functools import partial
from typing import cast

import numpy as np
import torch
from torch import Tensor

from benchmarks.memory import peak_megabytes
from singleshot.data.dataset import DataSet
from singleshot.evaluation.detection import detect_all
from singleshot.metrics import Predictions, Protocol, Truths, compute_metrics
from singleshot.structures import Detections, Sample, Truth

NUM_IMAGES, DETECTIONS_PER_IMAGE = 1_000_000, 20
NAMES = tuple(f"class {label}" for label in range(80))
PROTOCOLS = (Protocol.VOC10, Protocol.COCO)


def main() -> None:
    print("| | images | detections | time | peak memory |")
    print("|---|---|---|---|---|")
    for protocol in PROTOCOLS:
        command = [sys.executable, "-m", "benchmarks.million_images", protocol]
        lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        detected, evaluated = lines.splitlines()
        if protocol is PROTOCOLS[0]:
            print(detected)
        print(evaluated)


class RandomDetector:
    """Detects boxes drawn at random."""

    class_names = NAMES

    def __init__(self) -> None:
        self.random = torch.Generator().manual_seed(0)

    def detect(self, images: Sequence[Tensor]) -> list[Detections]:
        num = len(images) * DETECTIONS_PER_IMAGE
        corners = 400 * torch.rand(num, 2, generator=self.random)
        sizes = 10 + 100 * torch.rand(num, 2, generator=self.random)
        boxes = torch.cat([corners, corners + sizes], dim=1)
        scores = torch.rand(num, generator=self.random)
        labels = torch.randint(len(NAMES), (num,), generator=self.random)
        found = Detections(boxes, scores, labels)
        starts = range(0, num, DETECTIONS_PER_IMAGE)
        return [found[start : start + DETECTIONS_PER_IMAGE] for start in starts]


class BlankImages:
    """Blank images without files."""

    class_names = NAMES
    sample = Sample(
        torch.zeros(3, 8, 8, dtype=torch.uint8),
        Truth.of(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64)),
        "blank",
    )

    def __len__(self) -> int:
        return NUM_IMAGES

    def __getitem__(self, index: int) -> Sample:
        return self.sample


def one_process(protocol: Protocol) -> None:
    start, done = time.perf_counter(), []
    detecting = peak_megabytes(lambda: done.append(detect()))
    [predictions] = done
    print_row("gathering", predictions, time.perf_counter() - start, detecting)
    truths = some_of(predictions)
    work = partial(compute_metrics, predictions, truths, NAMES, protocol=protocol)
    start = time.perf_counter()
    evaluating = peak_megabytes(work)
    print_row(f"measure, {protocol}", predictions, time.perf_counter() - start, evaluating)


def detect() -> Predictions:
    return detect_all(RandomDetector(), cast(DataSet, BlankImages()), batch_size=100)


def some_of(predictions: Predictions) -> Truths:
    """Take every third detection, moved a little, as truths."""
    random = np.random.default_rng(0)
    own = predictions[::3]
    boxes = own.boxes + np.tile(random.normal(0, 5, (len(own), 2)), 2)
    return Truths(
        images=own.images,
        boxes=boxes,
        labels=own.labels,
        difficult=np.zeros(len(own), np.bool_),
        crowd=random.random(len(own)) < 0.01,
        areas=np.prod(boxes[:, 2:] - boxes[:, :2], axis=1),
        num_images=NUM_IMAGES,
    )


def print_row(name: str, predictions: Predictions, seconds: float, megabytes: float) -> None:
    counts = f"{NUM_IMAGES:,} | {len(predictions):,}"
    print(f"| {name} | {counts} | {seconds:.0f} s | {megabytes / 1000:.2f} GB |", flush=True)


if __name__ == "__main__":
    one_process(Protocol(sys.argv[1]))
