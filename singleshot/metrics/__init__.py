"""What a detector is worth, in numbers: functions of arrays, each beside its definition.

columns             the arrays: everything found and everything annotated, end to end
hits                which detections are right (the rule of VOCdevkit)
curves              precision and recall as the score threshold falls
average_precision   the area under that curve, by 11 points or by every point
operating_points    precision at a recall, recall at a precision, the best F1
miss_rate           misses against false positives per image, and their log-average
thresholds          which score threshold reaches a precision, a recall, few false positives
chosen              the thresholds that were chosen for all classes
bootstrap           is one detector better than another, and how sure that is
coco                the twelve numbers of the COCO challenge
diagnosis           why a detector is wrong: error types, confusion, calibration, slices …
report              all of the above for one set of detections
"""

from singleshot.metrics.average_precision import (
    eleven_points,
    every_point,
    hundred_one_points,
)
from singleshot.metrics.bootstrap import Comparison, Interval, compare
from singleshot.metrics.chosen import OperatingPoint, choose_thresholds
from singleshot.metrics.coco import CocoNumbers
from singleshot.metrics.columns import Predictions, Truths
from singleshot.metrics.curves import Curve, curves_per_class, precision_recall_curve
from singleshot.metrics.diagnosis import Diagnosis, diagnose
from singleshot.metrics.hits import Hits, Overlaps, find_hits, find_overlaps, hits_at
from singleshot.metrics.measure import find_class_curves, measure
from singleshot.metrics.miss_rate import (
    false_positives_per_image,
    log_average_miss_rate,
    miss_rate_at,
    recall_at_false_positives,
)
from singleshot.metrics.operating_points import (
    DEFAULT_SCORE_THRESHOLD,
    BestF1,
    best_f1,
    precision_at_recall,
    recall_at_precision,
)
from singleshot.metrics.protocol import Protocol
from singleshot.metrics.report import ClassReport, Report
from singleshot.metrics.thresholds import (
    Choice,
    Quantity,
    Rule,
    choose_threshold,
    choose_without_truths,
)

__all__ = [
    "DEFAULT_SCORE_THRESHOLD",
    "BestF1",
    "Choice",
    "ClassReport",
    "CocoNumbers",
    "Comparison",
    "Curve",
    "Diagnosis",
    "Hits",
    "Interval",
    "OperatingPoint",
    "Overlaps",
    "Predictions",
    "Protocol",
    "Quantity",
    "Report",
    "Rule",
    "Truths",
    "best_f1",
    "choose_threshold",
    "choose_thresholds",
    "choose_without_truths",
    "compare",
    "curves_per_class",
    "diagnose",
    "eleven_points",
    "every_point",
    "false_positives_per_image",
    "find_class_curves",
    "find_hits",
    "find_overlaps",
    "hits_at",
    "hundred_one_points",
    "log_average_miss_rate",
    "measure",
    "miss_rate_at",
    "precision_at_recall",
    "precision_recall_curve",
    "recall_at_false_positives",
    "recall_at_precision",
]
