"""Show the detections of several detectors in the same images, beside each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePath

import numpy as np
import torch
from jaxtyping import Float64, Int64, UInt8
from torch import Tensor

from singleshot.data.dataset import DataSet
from singleshot.data.image_files.decoding import read_image
from singleshot.evaluation.evaluate_predictions import truths_of
from singleshot.evaluation.page import predictions_of_image, truths_of_image
from singleshot.metrics import Predictions, Protocol, Report, Truths, find_true_positives
from singleshot.report.images import DetectionMark, ExampleImage, TruthMark, make_example

__all__ = [
    "DetectorView",
    "SharedImage",
    "errors_of_images",
    "mark_image",
    "most_disputed",
    "select_images",
]

_SEED = 0  # the same images each time, so that two reports can be compared
NUM_OF_EACH = 3  # images at random, and images that the detectors differ about


@dataclass(frozen=True)
class DetectorView:
    """The detections of one detector in an image, from the score of each class's best F1."""

    found: tuple[tuple[DetectionMark, str], ...]  # each with its style: tp, fp or ignored
    truths: tuple[tuple[TruthMark, str], ...]  # annotated, fn or uncounted

    def count(self, style: str) -> int:
        """Count the marks of a kind."""
        return sum(one == style for _, one in (*self.found, *self.truths))


@dataclass(frozen=True)
class SharedImage:
    """An image with one view for each detector."""

    name: str
    uri: str
    width: int
    height: int
    views: tuple[DetectorView, ...]


def select_images(
    dataset: DataSet, predictions: Sequence[Predictions], reports: Sequence[Report]
) -> tuple[list[SharedImage], list[SharedImage]]:
    """Select images at random, and images in which the numbers of errors differ most.

    `predictions` and `reports` are those of each detector.
    """
    truths, first = truths_of(dataset), reports[0]
    thresholds = [report.score_thresholds for report in reports]
    protocol, iou_threshold = first.protocol, first.iou_threshold
    count = partial(errors_of_images, protocol=protocol, iou_threshold=iou_threshold)
    errors = np.stack(
        [count(one, truths, own) for one, own in zip(predictions, thresholds, strict=True)]
    )
    disputed = most_disputed(errors, NUM_OF_EACH)
    random = torch.Generator().manual_seed(_SEED)
    drawn = torch.randperm(len(dataset), generator=random).tolist()
    at_random = [image for image in drawn if image not in disputed][:NUM_OF_EACH]

    def mark(index: int) -> SharedImage:
        path = str(dataset.paths[index])
        return mark_image(
            path,
            read_image(Path(path)),
            [predictions_of_image(one, index) for one in predictions],
            truths_of_image(dataset, index),
            thresholds,
            protocol=protocol,
            iou_threshold=iou_threshold,
        )

    return [mark(index) for index in at_random], [mark(index) for index in disputed]


def mark_image(
    path: str,
    image: UInt8[Tensor, "3 h w"],
    predictions: Sequence[Predictions],
    truths: Truths,
    score_thresholds: Sequence[Float64[np.ndarray, " num_classes"]],
    *,
    protocol: Protocol,
    iou_threshold: float,
) -> SharedImage:
    """Mark the detections of each detector; predictions and truths are of this image alone."""
    marked = [
        make_example(path, image, one, truths, protocol=protocol, iou_thresholds=[iou_threshold])
        for one in predictions
    ]
    views = tuple(map(_view, marked, score_thresholds))
    first = marked[0]
    return SharedImage(PurePath(path).name, first.uri, first.width, first.height, views)


def _view(one: ExampleImage, score_thresholds: Float64[np.ndarray, " num_classes"]) -> DetectorView:
    """Keep the marks from the score thresholds on, with their styles."""
    outcomes = one.outcomes_of_detections(score_thresholds, 0)
    found = zip(one.detections, outcomes, strict=True)
    return DetectorView(
        tuple((mark, style) for mark, style in found if style != "off"),
        tuple(zip(one.truths, one.outcomes_of_truths(score_thresholds, 0), strict=True)),
    )


def errors_of_images(
    predictions: Predictions,
    truths: Truths,
    score_thresholds: Float64[np.ndarray, " num_classes"],
    *,
    protocol: Protocol,
    iou_threshold: float,
) -> Int64[np.ndarray, " num_images"]:
    """Count false negatives and false positives of each image, from the score thresholds on."""
    confident = predictions[predictions.scores >= score_thresholds[predictions.labels]]
    ignore = protocol.ignores(truths)
    outcomes = find_true_positives(confident, truths, ignore=ignore, iou_threshold=iou_threshold)

    def per_image(images: Int64[np.ndarray, " n"]) -> Int64[np.ndarray, " num_images"]:
        return np.bincount(images, minlength=truths.num_images)

    false_positives = per_image(confident.images[~outcomes.true_positive & ~outcomes.ignored])
    false_negatives = per_image(truths.images[~ignore]) - per_image(
        confident.images[outcomes.true_positive]
    )
    return np.asarray(false_positives + false_negatives)


def most_disputed(errors: Int64[np.ndarray, "detectors num_images"], count: int) -> list[int]:
    """Return the images in which the detectors differ most in their number of errors."""
    spread = errors.max(axis=0) - errors.min(axis=0)
    order = np.argsort(-spread, kind="stable")[:count]
    return [int(image) for image in order if spread[image]]
