"""Judging predictions, whoever made them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from singleshot.data.dataset import DataSet
from singleshot.metrics import (
    Diagnosis,
    Predictions,
    Protocol,
    Report,
    Truths,
    diagnose,
    measure,
)

__all__ = ["diagnose_judged", "judge", "truths_of"]


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


def diagnose_judged(
    predictions: Predictions,
    dataset: DataSet,
    report: Report,
    *,
    attributes: Mapping[str, Sequence[str]] | None = None,
) -> Diagnosis:
    """Find out where judged predictions go wrong, at the best F1 of each class."""
    return diagnose(
        predictions,
        truths_of(dataset),
        dataset.class_names,
        protocol=report.protocol,
        iou_threshold=report.iou_threshold,
        score_thresholds=report.score_thresholds,
        attributes=attributes,
        image_names=dataset.paths.tolist(),
    )


def truths_of(dataset: DataSet) -> Truths:
    """The annotations as the metrics take them."""
    return Truths.of(dataset.truths, dataset.ends)
