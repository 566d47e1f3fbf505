"""A small data set with images, and what somebody found in it, evaluated and reported."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from singleshot.data.dataset import DataSet
from singleshot.evaluation.evaluate_predictions import evaluate_predictions
from singleshot.evaluation.page import write_evaluation_page
from singleshot.metrics import Predictions, Protocol, Report, Truths, choose_thresholds
from singleshot.metrics.bootstrap import compare_by_bootstrap
from singleshot.metrics.thresholds import Rule
from singleshot.structures import Truth

EVIL = "<script>alert('cat')</script>"
NAMES = (EVIL, "dog", 'a "quoted" & long name', "absent")
NUM_IMAGES = 16
WIDTH, HEIGHT = 160, 120


@dataclass(frozen=True)
class Scene:
    """A small data set with images, and what somebody found in it."""

    dataset: DataSet
    predictions: Predictions
    report: Report
    page: Path

    @property
    def truths(self) -> Truths:
        return Truths.of(self.dataset.truths, self.dataset.ends)


def make_scene(folder: Path, protocol: Protocol, *, images: bool = True) -> Scene:
    random = np.random.default_rng(0)
    truths = [random_truth(random) for _ in range(NUM_IMAGES)]
    paths = [folder / f"{index}{EVIL.replace('/', '')}.png" for index in range(NUM_IMAGES)]
    if images:
        for path in paths:
            noise = random.integers(0, 255, (HEIGHT, WIDTH, 3)).astype(np.uint8)
            Image.fromarray(noise).save(path)
        paths[3].write_bytes(b"no image")
    dataset = DataSet.of(NAMES, zip(paths, truths, strict=True), description=f"images of {EVIL}")
    predictions = shaken(Truths.of(dataset.truths, dataset.ends), random)
    report = evaluate_predictions(predictions, dataset, protocol=protocol)
    others = predictions[random.random(len(predictions)) < 0.8]
    truths = Truths.of(dataset.truths, dataset.ends)
    report = replace(
        report,
        comparison=compare_by_bootstrap(
            predictions, others, truths, NAMES, protocol=protocol, resamples=50
        ),
        operating_point=choose_thresholds(
            predictions,
            truths,
            NAMES,
            rule=Rule.parse("recall=0.5"),
            iou_threshold=0.5,
            ignore=protocol.ignores(truths),
            data=EVIL,
        ),
    )
    page = write_evaluation_page(
        predictions,
        dataset,
        report=report,
        model=str(folder),
        command=f"singleshot evaluate '{EVIL}'",
        path=folder / "report.html",
        compared_with=EVIL,
    )
    return Scene(dataset, predictions, report, page)


def random_truth(random: np.random.Generator) -> Truth:
    """Up to six objects, of the first three classes."""
    count = int(random.integers(0, 7))
    corners = random.integers(0, 90, (count, 2))
    boxes = np.hstack([corners, corners + random.integers(12, 30, (count, 2))])
    truth = Truth.of(
        torch.from_numpy(boxes).double(), torch.from_numpy(random.integers(0, 3, count))
    )
    truth.difficult[:] = torch.from_numpy(random.random(count) < 0.1)
    truth.crowd[:] = torch.from_numpy(random.random(count) < 0.05)
    return truth


def shaken(truths: Truths, random: np.random.Generator) -> Predictions:
    """Three detections near each truth, some of another class, and some anywhere."""
    near = np.repeat(np.arange(len(truths)), 3)
    count = len(near) + 40
    boxes = truths.boxes[near] + random.normal(0, 3, (len(near), 4))
    corners = random.uniform(0, 90, (40, 2))
    anywhere = np.hstack([corners, corners + random.uniform(10, 30, (40, 2))])
    labels = np.append(truths.labels[near], random.integers(0, 3, 40))
    labels = np.where(random.random(count) < 0.85, labels, random.integers(0, 3, count))
    return Predictions(
        images=np.append(truths.images[near], random.integers(0, NUM_IMAGES, 40)),
        boxes=np.vstack([boxes, anywhere]),
        scores=random.random(count).round(3),
        labels=labels,
    )
