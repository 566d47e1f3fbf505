"""Judging predictions, whoever made them."""

from __future__ import annotations

from singleshot.data.dataset import DataSet
from singleshot.metrics import Predictions, Protocol, Report, Truths, measure

__all__ = ["judge", "truths_of"]


def judge(
    predictions: Predictions, dataset: DataSet, *, protocol: Protocol, iou_threshold: float = 0.5
) -> Report:
    """Compare predictions with the truths of a data set by the rules of a protocol."""
    return measure(
        predictions,
        truths_of(dataset),
        dataset.class_names,
        protocol=protocol,
        iou_threshold=iou_threshold,
    )


def truths_of(dataset: DataSet) -> Truths:
    """The annotations as the metrics take them."""
    return Truths.of(dataset.truths, dataset.ends)
