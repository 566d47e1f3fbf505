"""What a detector is worth, in numbers: functions of arrays, each beside its definition.

columns             the arrays: everything found and everything annotated, end to end
hits                which detections are right (the rule of VOCdevkit)
curves              precision and recall as the score threshold falls
average_precision   the area under that curve, by 11 points or by every point
operating_points    precision at a recall, recall at a precision, the best F1
bootstrap           is one detector better than another, and how sure that is
coco                the twelve numbers of the COCO challenge
report              all of the above for one set of detections
"""

from singleshot.metrics.average_precision import (
    eleven_points,
    every_point,
    hundred_one_points,
)
from singleshot.metrics.bootstrap import Comparison, Interval, compare
from singleshot.metrics.coco import CocoNumbers
from singleshot.metrics.columns import Predictions, Truths
from singleshot.metrics.curves import Curve, curves_per_class, precision_recall_curve
from singleshot.metrics.hits import Hits, Overlaps, find_hits, find_overlaps, hits_at
from singleshot.metrics.measure import find_class_curves, measure
from singleshot.metrics.operating_points import (
    BestF1,
    best_f1,
    precision_at_recall,
    recall_at_precision,
)
from singleshot.metrics.protocol import Protocol
from singleshot.metrics.report import ClassReport, Report

__all__ = [
    "BestF1",
    "ClassReport",
    "CocoNumbers",
    "Comparison",
    "Curve",
    "Hits",
    "Interval",
    "Overlaps",
    "Predictions",
    "Protocol",
    "Report",
    "Truths",
    "best_f1",
    "compare",
    "curves_per_class",
    "eleven_points",
    "every_point",
    "find_class_curves",
    "find_hits",
    "find_overlaps",
    "hits_at",
    "hundred_one_points",
    "measure",
    "precision_at_recall",
    "precision_recall_curve",
    "recall_at_precision",
]
