"""Detections and truths to diagnose, by hand and at random."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from singleshot.metrics import Outcomes, Predictions, Truths
from singleshot.metrics.voc_matching import paired_iou

SQUARE = (0, 0, 10, 10)
MOST = (0, 0, 10, 8)  # IoU with SQUARE: 0.8
HALF = (0, 0, 10, 5)  # IoU with SQUARE: 0.5
THIRD = (5, 0, 15, 10)  # IoU with SQUARE: 1/3
TENTH = (0, 0, 10, 1)  # IoU with SQUARE: 0.1
FAR = (50, 50, 60, 60)


def found(*boxes, scores=None, images=None, labels=None) -> Predictions:
    """Detections of class 0 in image 0 with falling scores, by default."""
    count = len(boxes)
    return Predictions(
        images=np.array([0] * count if images is None else images, np.int64),
        boxes=np.array(boxes, np.float64).reshape(-1, 4),
        scores=np.linspace(0.9, 0.1, count) if scores is None else np.array(scores, np.float64),
        labels=np.array([0] * count if labels is None else labels, np.int64),
    )


def annotated(*boxes, images=None, labels=None, crowd=None, num_images=2) -> Truths:
    """Truths of class 0 in image 0, by default; their area is that of the box."""
    count = len(boxes)
    corners = np.array(boxes, np.float64).reshape(-1, 4)
    return Truths(
        images=np.array([0] * count if images is None else images, np.int64),
        boxes=corners,
        labels=np.array([0] * count if labels is None else labels, np.int64),
        difficult=np.zeros(count, np.bool_),
        crowd=np.zeros(count, np.bool_) if crowd is None else np.array(crowd, np.bool_),
        areas=np.prod(corners[:, 2:] - corners[:, :2], axis=1),
        num_images=num_images,
    )


def nothing_ignored(truths: Truths) -> np.ndarray:
    return np.zeros(len(truths), np.bool_)


def random_case(seed: int, *, num_classes=3, num_images=3, side=24) -> tuple[Predictions, Truths]:
    """Few and coarse boxes, so that they overlap much and often equally; no two scores equal."""
    random = np.random.default_rng(seed)
    num_truths, num_found = random.integers(0, 12), random.integers(0, 30)
    truths = annotated(
        *random_boxes(random, num_truths, side),
        images=random.integers(0, num_images, num_truths),
        labels=random.integers(0, num_classes, num_truths),
        num_images=num_images,
    )
    predictions = found(
        *random_boxes(random, num_found, side),
        images=random.integers(0, num_images, num_found),
        labels=random.integers(0, num_classes, num_found),
        scores=random.permutation(num_found) / 30 + 0.01,
    )
    return on_truths(random, predictions, truths), truths


def random_boxes(random, count: int, side: int) -> np.ndarray:
    corners = random.integers(0, side // 2, (count, 2))
    return np.hstack([corners, corners + random.integers(2, side // 2, (count, 2))])


def on_truths(random, predictions: Predictions, truths: Truths) -> Predictions:
    """Two in three detections moved near to a truth, half of those of its class."""
    if not len(truths):
        return predictions
    near = random.random(len(predictions)) < 2 / 3
    own = random.integers(0, len(truths), len(predictions))
    right = near & (random.random(len(predictions)) < 1 / 2)
    shifted = truths.boxes[own] + random.integers(-1, 2, (len(own), 4))
    shifted[:, 2:] = np.maximum(shifted[:, 2:], shifted[:, :2] + 1)
    return replace(
        predictions,
        images=np.where(near, truths.images[own], predictions.images),
        boxes=np.where(near[:, None], shifted, predictions.boxes),
        labels=np.where(right, truths.labels[own], predictions.labels),
    )


def match_greedily(predictions: Predictions, truths: Truths, iou_threshold=0.5) -> Outcomes:
    """COCO's rule, one detection after the other: the free truth of its class overlapped most.

    Of equal overlaps the last is taken (cocoeval.py, evaluateImg).
    """
    true_positive = np.full(len(predictions), -1, np.int64)
    for index in np.argsort(-predictions.scores, kind="stable"):
        best = iou_threshold
        for truth in range(len(truths)):
            same_class = truths.labels[truth] == predictions.labels[index]
            same_image = truths.images[truth] == predictions.images[index]
            if not (same_class and same_image) or truth in true_positive:
                continue
            boxes = predictions.boxes[index][None], truths.boxes[truth][None]
            iou = paired_iou(*boxes)[0]
            if iou >= best:
                best, true_positive[index] = iou, truth
    return Outcomes(true_positive, np.zeros(len(predictions), np.bool_))
