"""Judging predictions, whoever made them."""

from __future__ import annotations

import numpy as np
import torch

from singleshot.data.dataset import DataSet
from singleshot.metrics import (
    Curve,
    Predictions,
    Protocol,
    Report,
    Truths,
    find_class_curves,
    find_hits,
    measure,
)

__all__ = ["class_curves", "judge", "pictures_to_show"]


def judge(predictions: Predictions, dataset: DataSet, *, protocol: Protocol) -> Report:
    """Compare predictions with the truths of a data set by the rules of a protocol."""
    return measure(predictions, truths_of(dataset), dataset.class_names, protocol=protocol)


def class_curves(
    predictions: Predictions, dataset: DataSet, *, protocol: Protocol
) -> dict[str, Curve]:
    """Precision-recall curves of the classes that have truths."""
    num_classes = len(dataset.class_names)
    curves = find_class_curves(predictions, truths_of(dataset), num_classes, protocol=protocol)
    named = zip(dataset.class_names, curves, strict=True)
    return {name: curve for name, curve in named if curve is not None}


def pictures_to_show(
    predictions: Predictions,
    dataset: DataSet,
    report: Report,
    *,
    count: int = 12,
    random: torch.Generator,
) -> list[int]:
    """Indices of pictures a person should see: half at random, half those with most misses.

    The random ones come first, because they show what to expect; a miss is an object that no
    detection hits at the score thresholds of the best F1.
    """
    shuffled = torch.randperm(len(dataset), generator=random).tolist()
    misses = count_misses(predictions, dataset, report)
    at_random = shuffled[: (count + 1) // 2]
    worst_first = [int(index) for index in np.argsort(-misses, kind="stable") if misses[index]]
    worst = [index for index in worst_first if index not in at_random]
    chosen = at_random + worst[: count - len(at_random)]
    # A detector with few misses leaves room for more pictures at random.
    others = [index for index in shuffled if index not in chosen]
    return chosen + others[: count - len(chosen)]


def count_misses(predictions: Predictions, dataset: DataSet, report: Report) -> np.ndarray:
    """Objects of each picture that no sufficiently sure detection hits."""
    truths = truths_of(dataset)
    ignore = report.protocol.ignores(truths)
    sure = predictions[predictions.scores >= report.score_thresholds[predictions.labels]]
    hits = find_hits(sure, truths, ignore=ignore, iou_threshold=report.iou_threshold)
    missed = ~ignore
    missed[hits.truths[hits.hit]] = False
    return np.bincount(truths.images[missed], minlength=len(dataset))


def truths_of(dataset: DataSet) -> Truths:
    """The annotations as the metrics take them."""
    return Truths.of(dataset.truths, dataset.ends)
