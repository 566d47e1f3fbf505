"""Accuracy in numbers: functions of arrays, each beside its definition.

detection_tables    the arrays: all predictions and all ground truth, end to end
voc_matching        which detections are true positives (VOCdevkit), coco_matching (cocoeval)
curves              precision and recall as the score threshold falls
average_precision   area under that curve, by 11 points or by every point
operating_points    precision at a recall, recall at a precision, the best F1
miss_rate           miss rate against false positives per image, and its log-average
thresholds          score thresholds that reach a precision, a recall, few false positives
sweep               counts and curves at every score threshold
bootstrap           difference of two detectors with its confidence interval
intervals           confidence intervals and p-values from bootstrap draws
confidence          mean average precision of one detector with its confidence interval
pareto              the best accuracy for each cost
coco                the twelve numbers of the COCO challenge
diagnosis           analysis of errors: types, confusion, calibration, slices …
report              all of the above for one set of detections
"""

# Re-exported without a second list: mypy takes these imports as exports (pyproject.toml).
from singleshot.metrics.average_precision import eleven_points, every_point, hundred_one_points
from singleshot.metrics.bootstrap import Comparison, compare_by_bootstrap
from singleshot.metrics.coco import CocoNumbers
from singleshot.metrics.confidence import AccuracyConfidence, estimate_confidence
from singleshot.metrics.curves import Curve, curves_per_class, precision_recall_curve
from singleshot.metrics.detection_tables import Predictions, Truths
from singleshot.metrics.diagnosis import Diagnosis, diagnose
from singleshot.metrics.intervals import Interval
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
from singleshot.metrics.report import ClassReport, Report, compute_metrics, find_class_curves
from singleshot.metrics.thresholds import (
    Choice,
    OperatingPoint,
    Quantity,
    Rule,
    choose_threshold,
    choose_thresholds,
    choose_without_truths,
)
from singleshot.metrics.voc_matching import (
    Outcomes,
    Overlaps,
    find_overlaps,
    find_true_positives,
    true_positives_at,
)
