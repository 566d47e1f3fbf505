"""A comparison of three made-up detectors, one of which has markup in its name."""

from __future__ import annotations

import numpy as np
import torch

from singleshot.benchmarking.machine import Machine
from singleshot.comparison.page import ComparisonPage
from singleshot.comparison.published import read_published_figures, read_published_trade_offs
from singleshot.comparison.ranking import PairwiseDifference, Ranking
from singleshot.comparison.result import ComparedDetector, ComparisonResult
from singleshot.comparison.side_by_side import mark_image
from singleshot.metrics import Predictions, Protocol, Truths
from singleshot.metrics.coco import CocoNumbers
from singleshot.metrics.intervals import AccuracyEstimate
from singleshot.metrics.speed import Seconds, Speed

EVIL = "<script>alert('cat')</script>"
CLASSES = (EVIL, "dog")
MACHINE = Machine("a processor", 2, 1, "cpu", "Linux", "3.12", "2.9")
SIDE = 64


def speed(milliseconds: float, batch: int = 1) -> Speed:
    """A tenth of the time to prepare, a tenth to choose."""
    seconds = milliseconds / 1000
    timing = Seconds(0.1 * seconds, 0.8 * seconds, 0.1 * seconds, seconds)
    return Speed.of(batch, [[timing]] * 3, peak_memory_mb=350.0)


def detector(name: str, milliseconds: float, **changes) -> ComparedDetector:
    """Costs grow with the time."""
    values = {
        "name": name,
        "path": f"runs/{name}",
        "kind": "ssd",
        "backbone": "mobilenetv3_large_100",
        "input": (320, 320),
        "num_boxes": 3234,
        "parameters": int(milliseconds * 1e5),
        "macs": int(milliseconds * 1e7),
        "file_bytes": int(milliseconds * 4e5),
        "coco": CocoNumbers(0.5, 0.8, 0.6, None, 0.4, 0.7, 0.3, 0.5, 0.6, None, 0.5, 0.7),
        "per_class": {EVIL: 0.4, "dog": None},
        "speeds": (speed(milliseconds), speed(6 * milliseconds, batch=8)),
        "memory_before_mb": 250.0,
    }
    return ComparedDetector(**values | changes)


def make_result(**changes) -> ComparisonResult:
    """The slow one is best, the fast one close, and the third beaten at everything."""
    values = {
        "data": f"images of {EVIL}",
        "protocol": Protocol.COCO,
        "iou_threshold": 0.5,
        "images": 40,
        "truths": 100,
        "detectors": (
            detector("fast", 20.0),
            detector(EVIL, 200.0, speeds=(speed(200.0),)),
            detector("beaten", 90.0),
        ),
        "ranking": Ranking(
            40,
            1000,
            0,
            0.95,
            (
                AccuracyEstimate(0.52, 0.45, 0.6),
                AccuracyEstimate(0.61, 0.55, 0.7),
                AccuracyEstimate(0.3, 0.2, 0.4),
            ),
            (
                PairwiseDifference(0, 1, -0.09, -0.2, 0.02, 0.08, 0.08),
                PairwiseDifference(0, 2, 0.22, 0.1, 0.3, 0.002, 0.006),
                PairwiseDifference(1, 2, 0.31, 0.2, 0.4, 0.002, 0.006),
            ),
        ),
        "machine": MACHINE,
        "num_rounds": 5,
    }
    return ComparisonResult(**values | changes)


def make_page(**changes) -> ComparisonPage:
    """With one image in which the detectors differ."""
    result = make_result(
        published=tuple(read_published_figures()),
        published_trade_offs=tuple(read_published_trade_offs()),
        **changes,
    )
    truths = Truths(
        images=np.zeros(2, np.int64),
        boxes=np.array([[4.0, 4, 24, 24], [34, 34, 60, 60]]),
        labels=np.array([0, 1]),
        difficult=np.zeros(2, bool),
        crowd=np.zeros(2, bool),
        areas=np.array([400.0, 676]),
        num_images=1,
    )
    both = Predictions(np.zeros(2, np.int64), truths.boxes, np.array([0.9, 0.8]), truths.labels)
    found = [both, both[:1], both[:0]]
    image = mark_image(
        f"/images/{EVIL.replace('/', '')}.png",
        torch.full((3, SIDE, SIDE), 200, dtype=torch.uint8),
        found,
        truths,
        [np.array([0.5, 0.85]), np.array([0.5, 0.5]), np.array([0.5, 0.5])],
        protocol=Protocol.COCO,
        iou_threshold=0.5,
    )
    return ComparisonPage(
        result=result,
        at_random=[],
        disputed=[image],
        class_names=CLASSES,
        command=f"singleshot compare '{EVIL}'",
        version="1",
    )
