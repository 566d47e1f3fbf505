from __future__ import annotations

import numpy as np
from detection_cases import (
    FAR,
    HALF,
    MOST,
    SQUARE,
    annotated,
    found,
    nothing_ignored,
    random_case,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from singleshot.metrics import find_true_positives
from singleshot.metrics.diagnosis import confusion_matrix

ALL = np.zeros(2)


def confusion(predictions, truths, *, score_thresholds=ALL, ignore=None):
    return confusion_matrix(
        predictions,
        truths,
        len(score_thresholds),
        score_thresholds=score_thresholds,
        ignore=nothing_ignored(truths) if ignore is None else np.array(ignore),
        iou_threshold=0.5,
    ).tolist()


def test_rows_are_annotated_classes_and_columns_detected_ones():
    objects = annotated(SQUARE, FAR, (80, 80, 90, 90), labels=[0, 0, 1])
    detections = found(SQUARE, FAR, (20, 20, 30, 30), labels=[0, 1, 1])
    assert confusion(detections, objects) == [
        [1, 1, 0],  # class 0: one found, one taken for class 1
        [0, 0, 1],  # class 1: its truth was missed
        [0, 1, 0],  # nothing: something of class 1 was found
    ]


def test_a_better_scored_detection_of_another_class_leaves_the_true_positive():
    detections = found(SQUARE, SQUARE, scores=[0.9, 0.5], labels=[1, 0])
    assert confusion(detections, annotated(SQUARE)) == [[1, 0, 0], [0, 0, 0], [0, 1, 0]]


def test_only_the_best_scored_false_positive_on_a_truth_is_paired_with_it():
    detections = found(MOST, SQUARE, scores=[0.6, 0.5], labels=[1, 1])
    assert confusion(detections, annotated(SQUARE)) == [[0, 1, 0], [0, 0, 0], [0, 1, 0]]


def test_a_duplicate_counts_as_background():
    assert confusion(found(SQUARE, MOST), annotated(SQUARE))[2] == [1, 0, 0]


def test_detections_below_the_score_threshold_of_their_class_are_not_counted():
    detections = found(SQUARE, SQUARE, scores=[0.5, 0.5], labels=[0, 1])
    objects = annotated(SQUARE, SQUARE, labels=[0, 1])
    thresholds = np.array([0.5, 0.6])
    assert confusion(detections, objects, score_thresholds=thresholds) == [
        [1, 0, 0],
        [0, 0, 1],
        [0, 0, 0],
    ]
    none = confusion(detections, objects, score_thresholds=np.array([np.inf, np.inf]))
    assert none == [[0, 0, 1], [0, 0, 1], [0, 0, 0]]


def test_ignored_truths_and_ignored_detections_are_in_no_cell():
    objects = annotated(SQUARE, (40, 40, 80, 80), crowd=[False, True])
    matrix = confusion(found(HALF, FAR), objects, ignore=[True, True])
    assert matrix == [[0] * 3] * 3


def test_without_classes_only_the_background_cell_is_left():
    assert confusion(found(), annotated(), score_thresholds=np.zeros(0)) == [[0]]


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32))
def test_rows_sum_to_truths_columns_to_detections_and_the_diagonal_to_true_positives(seed):
    predictions, truths = random_case(seed)
    ignore = np.arange(len(truths)) % 4 == 0
    outcomes = find_true_positives(predictions, truths, ignore=ignore, iou_threshold=0.5)
    matrix = np.array(confusion(predictions, truths, score_thresholds=np.zeros(3), ignore=ignore))
    counted = predictions.labels[~outcomes.ignored]
    assert (matrix[:3].sum(axis=1) == np.bincount(truths.labels[~ignore], minlength=3)).all()
    assert (matrix[:, :3].sum(axis=0) == np.bincount(counted, minlength=3)).all()
    assert matrix.trace() == outcomes.true_positive.sum()
