"""All numbers of one evaluation, and their JSON.

A new metric of a class is a function in a file of its own, and here a field of `ClassReport` that
`ClassReport.of` computes: JSON, tables and pages show every field.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from jaxtyping import Float64

from singleshot.metrics.average_precision import mean_of_defined
from singleshot.metrics.bootstrap import Comparison
from singleshot.metrics.coco import CocoNumbers, coco_numbers
from singleshot.metrics.coco_matching import count_images_over_limit
from singleshot.metrics.confidence import AccuracyConfidence
from singleshot.metrics.curves import Curve, count_truths, curves_per_class
from singleshot.metrics.detection_tables import Predictions, Truths
from singleshot.metrics.diagnosis import Diagnosis
from singleshot.metrics.operating_points import (
    NO_BEST_F1,
    BestF1,
    best_f1,
    precision_at_recall,
    recall_at_precision,
)
from singleshot.metrics.protocol import Protocol
from singleshot.metrics.thresholds import OperatingPoint
from singleshot.metrics.voc_matching import find_true_positives

__all__ = ["ClassReport", "Report", "compute_metrics", "find_class_curves"]

RECALLS = (0.5, 0.8, 0.9)
PRECISIONS = (0.8, 0.9, 0.95)


@dataclass(frozen=True)
class ClassReport:
    """Accuracy of a detector for one class; without truths all is undefined, that is None."""

    average_precision: float | None  # with the COCO protocol, over all its IoU thresholds
    truths: int  # that count: not ignored by the protocol
    precision_at_recall: Mapping[float, float | None]
    recall_at_precision: Mapping[float, float | None]
    best_f1: BestF1

    @classmethod
    def of(cls, curve: Curve | None, average_precision: float | None, truths: int) -> ClassReport:
        """Compute the metrics of a class from its precision-recall curve, None without truths."""
        if curve is None:
            return cls(
                average_precision=average_precision,
                truths=truths,
                precision_at_recall=dict.fromkeys(RECALLS),
                recall_at_precision=dict.fromkeys(PRECISIONS),
                best_f1=NO_BEST_F1,
            )
        points = curve.at_thresholds()
        recall, precision = points.recall, points.precision
        return cls(
            average_precision=average_precision,
            truths=truths,
            precision_at_recall={r: precision_at_recall(recall, precision, r) for r in RECALLS},
            recall_at_precision={p: recall_at_precision(recall, precision, p) for p in PRECISIONS},
            best_f1=best_f1(points),
        )

    def to_json(self) -> dict[str, Any]:
        """Convert every field to plain numbers under its name."""
        return {one.name: _as_json(getattr(self, one.name)) for one in fields(self)}


@dataclass(frozen=True)
class Report:
    """Accuracy of a detector on a data set, class by class."""

    protocol: Protocol
    iou_threshold: float  # lowest IoU of a true positive; COCO's own numbers have their own
    images: int
    truths: int
    detections: int
    mean_average_precision: float | None  # over classes with truths; with COCO its AP
    per_class: Mapping[str, ClassReport]
    coco: CocoNumbers | None  # with the COCO protocol only
    # With the COCO protocol: images with more objects of a class than it counts detections of.
    images_over_coco_limit: int | None = None  # None for none
    images_trained_on: int | None = None  # by the detector; None for none, or if it is not known
    confidence_interval: AccuracyConfidence | None = None  # of the mean average precision
    # On request only.
    diagnosis: Diagnosis | None = None
    comparison: Comparison | None = None
    operating_point: OperatingPoint | None = None

    def with_training_images(self, number: int) -> Report:
        """Copy the report of images of which the detector was trained on so many."""
        return replace(self, images_trained_on=number or None)

    @property
    def warning(self) -> str | None:
        """State that images were trained on, if some were."""
        if self.images_trained_on is None:
            return None
        return (
            f"{self.images_trained_on} of the {self.images} images are among those that the "
            f"detector was trained on: its numbers are better than on new images"
        )

    @property
    def score_thresholds(self) -> Float64[np.ndarray, " num_classes"]:
        """Score threshold of the best F1 of each class.

        `DEFAULT_SCORE_THRESHOLD` for a class without a true positive or without truths, so that its
        false positives are seen.
        """
        return np.array(
            [numbers.best_f1.threshold_or_default for numbers in self.per_class.values()]
        )

    def to_json(self) -> dict[str, Any]:
        """Convert to what `evaluate --json` prints; what was not computed has no key."""
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        optional = {one.name for one in fields(self) if one.default is None} | {"coco"}
        return {
            name: _as_json(value)
            for name, value in values.items()
            if not (value is None and name in optional)
        }


def compute_metrics(
    predictions: Predictions,
    truths: Truths,
    class_names: Sequence[str],
    *,
    protocol: Protocol,
    iou_threshold: float = 0.5,
) -> Report:
    """Evaluate detections by a protocol. Labels index `class_names`, images those of `truths`."""
    num_classes = len(class_names)
    with ThreadPoolExecutor(1) as second_thread:
        # COCO's numbers are computed without Python's lock for the most part.
        future_curves = second_thread.submit(
            find_class_curves,
            predictions,
            truths,
            num_classes,
            protocol=protocol,
            iou_threshold=iou_threshold,
        )
        coco = average_precisions = None
        over_limit = 0
        if protocol is Protocol.COCO:
            coco, per_class = coco_numbers(predictions, truths, num_classes)
            average_precisions = [one.AP for one in per_class]
            over_limit = count_images_over_limit(truths)
        curves = future_curves.result()
    if average_precisions is None:
        average_precisions = protocol.average_precisions(curves)
    num_truths = count_truths(truths, num_classes, ignore=protocol.ignores(truths))
    reports = map(ClassReport.of, curves, average_precisions, num_truths)
    return Report(
        protocol=protocol,
        iou_threshold=iou_threshold,
        images=truths.num_images,
        truths=sum(num_truths),
        detections=len(predictions),
        mean_average_precision=coco.AP if coco else mean_of_defined(average_precisions),
        per_class=dict(zip(class_names, reports, strict=True)),
        coco=coco,
        images_over_coco_limit=over_limit or None,
    )


def find_class_curves(
    predictions: Predictions,
    truths: Truths,
    num_classes: int,
    *,
    protocol: Protocol,
    iou_threshold: float = 0.5,
) -> list[Curve | None]:
    """Compute the precision-recall curve of each class; None for a class without truths."""
    ignore = protocol.ignores(truths)
    outcomes = find_true_positives(predictions, truths, ignore=ignore, iou_threshold=iou_threshold)
    return curves_per_class(predictions, outcomes, count_truths(truths, num_classes, ignore=ignore))


def _as_json(value: Any) -> Any:
    """Convert a metric to what JSON holds: its keys are texts, and it has no named tuples."""
    if isinstance(value, Protocol):
        return value.value
    if hasattr(value, "to_json"):
        return value.to_json()
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return value._asdict()
    if isinstance(value, Mapping):
        return {str(key): _as_json(one) for key, one in value.items()}
    return value
