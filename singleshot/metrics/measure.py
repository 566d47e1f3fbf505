"""From detections and truths to a report."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from singleshot.metrics.average_precision import mean_of_defined
from singleshot.metrics.coco import coco_numbers
from singleshot.metrics.columns import Predictions, Truths
from singleshot.metrics.curves import Curve, count_truths, curves_per_class
from singleshot.metrics.hits import find_hits
from singleshot.metrics.operating_points import (
    NO_BEST_F1,
    best_f1,
    precision_at_recall,
    recall_at_precision,
)
from singleshot.metrics.protocol import Protocol
from singleshot.metrics.report import ClassReport, Report

__all__ = ["find_class_curves", "measure"]

RECALLS = (0.5, 0.8, 0.9)
PRECISIONS = (0.8, 0.9, 0.95)


def measure(
    predictions: Predictions,
    truths: Truths,
    class_names: Sequence[str],
    *,
    protocol: Protocol,
    iou_threshold: float = 0.5,
) -> Report:
    """Judge detections by a protocol. Labels index `class_names`, images those of `truths`."""
    num_classes = len(class_names)
    with ThreadPoolExecutor(1) as beside:
        # COCO's numbers are computed without Python's lock for the most part.
        coming = beside.submit(
            find_class_curves,
            predictions,
            truths,
            num_classes,
            protocol=protocol,
            iou_threshold=iou_threshold,
        )
        coco = average_precisions = None
        if protocol is Protocol.COCO:
            coco, average_precisions = coco_numbers(predictions, truths, num_classes)
        curves = coming.result()
    if average_precisions is None:
        average_precisions = protocol.average_precisions(curves)
    num_truths = count_truths(truths, num_classes, ignore=protocol.ignores(truths))
    reports = map(class_report, curves, average_precisions, num_truths)
    return Report(
        protocol=protocol,
        iou_threshold=iou_threshold,
        images=truths.num_images,
        truths=sum(num_truths),
        detections=len(predictions),
        mean_average_precision=coco.AP if coco else mean_of_defined(average_precisions),
        per_class=dict(zip(class_names, reports, strict=True)),
        coco=coco,
    )


def find_class_curves(
    predictions: Predictions,
    truths: Truths,
    num_classes: int,
    *,
    protocol: Protocol,
    iou_threshold: float = 0.5,
) -> list[Curve | None]:
    """Precision-recall curve of each class; None for a class without truths."""
    ignore = protocol.ignores(truths)
    hits = find_hits(predictions, truths, ignore=ignore, iou_threshold=iou_threshold)
    return curves_per_class(predictions, hits, count_truths(truths, num_classes, ignore=ignore))


def class_report(curve: Curve | None, average_precision: float | None, truths: int) -> ClassReport:
    """Operating points on a curve, all undefined where there is none."""
    if curve is None:
        return ClassReport(
            average_precision=average_precision,
            truths=truths,
            precision_at_recall=dict.fromkeys(RECALLS),
            recall_at_precision=dict.fromkeys(PRECISIONS),
            best_f1=NO_BEST_F1,
        )
    points = curve.at_thresholds()
    axes = points.recall, points.precision
    return ClassReport(
        average_precision=average_precision,
        truths=truths,
        precision_at_recall={target: precision_at_recall(*axes, target) for target in RECALLS},
        recall_at_precision={target: recall_at_precision(*axes, target) for target in PRECISIONS},
        best_f1=best_f1(points),
    )
