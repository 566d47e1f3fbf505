"""Evaluate detections against ground truth, whoever made them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from singleshot.data.dataset import DataSet
from singleshot.metrics import (
    Diagnosis,
    Predictions,
    Protocol,
    Report,
    Truths,
    compute_metrics,
    diagnose,
    estimate_confidence,
)

__all__ = ["diagnose_predictions", "evaluate_predictions", "truths_of", "with_confidence"]


def evaluate_predictions(
    predictions: Predictions, dataset: DataSet, *, protocol: Protocol, iou_threshold: float = 0.5
) -> Report:
    """Compare detections with the ground truth of a data set by the rules of a protocol."""
    return compute_metrics(
        predictions,
        truths_of(dataset),
        dataset.class_names,
        protocol=protocol,
        iou_threshold=iou_threshold,
    )


def with_confidence(report: Report, predictions: Predictions, dataset: DataSet) -> Report:
    """Add the confidence interval of the mean average precision to the report of detections."""
    interval = estimate_confidence(
        predictions,
        truths_of(dataset),
        len(dataset.class_names),
        protocol=report.protocol,
        iou_threshold=report.iou_threshold,
    )
    return replace(report, confidence_interval=interval)


def diagnose_predictions(
    predictions: Predictions,
    dataset: DataSet,
    report: Report,
    *,
    attributes: Mapping[str, Sequence[str]] | None = None,
) -> Diagnosis:
    """Analyse the errors of evaluated detections, at the best F1 of each class."""
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
    """Convert the annotations of a data set to the columns that metrics work on."""
    return Truths.of(dataset.truths, dataset.ends)
