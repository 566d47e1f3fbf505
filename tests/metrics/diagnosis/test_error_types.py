# Tests singleshot/metrics/diagnosis/neighbours.py

from __future__ import annotations

import numpy as np
import pytest
from detection_cases import (
    FAR,
    HALF,
    MOST,
    SQUARE,
    TENTH,
    THIRD,
    annotated,
    found,
    nothing_ignored,
)

from singleshot.metrics import find_true_positives
from singleshot.metrics.diagnosis import ErrorType, find_errors


def errors(predictions, truths, *, ignore=None, iou_threshold=0.5):
    ignore = nothing_ignored(truths) if ignore is None else np.array(ignore)
    outcomes = find_true_positives(predictions, truths, ignore=ignore, iou_threshold=iou_threshold)
    return find_errors(predictions, truths, outcomes, ignore=ignore, iou_threshold=iou_threshold)


def types(predictions, truths, **options):
    """The error of each detection, None for none."""
    names = [*ErrorType, None]
    return [names[number] for number in errors(predictions, truths, **options).types]


@pytest.mark.parametrize(
    ("box", "label", "expected"),
    [
        (SQUARE, 0, None),
        (THIRD, 0, ErrorType.LOCALIZATION),
        (TENTH, 0, ErrorType.LOCALIZATION),
        (FAR, 0, ErrorType.BACKGROUND),
        (SQUARE, 1, ErrorType.CLASS),
        (HALF, 1, ErrorType.CLASS),
        (THIRD, 1, ErrorType.BOTH),
        (TENTH, 1, ErrorType.BACKGROUND),
        (FAR, 1, ErrorType.BACKGROUND),
    ],
)
def test_overlap_and_class_decide_the_type(box, label, expected):
    assert types(found(box, labels=[label]), annotated(SQUARE)) == [expected]


def test_a_second_detection_of_an_object_is_a_duplicate():
    assert types(found(SQUARE, MOST), annotated(SQUARE)) == [None, ErrorType.DUPLICATE]


def test_a_duplicate_on_a_truth_of_another_class_too_is_a_class_error_as_in_tidecv():
    objects = annotated(SQUARE, MOST, labels=[0, 1])
    assert types(found(SQUARE, SQUARE), objects) == [None, ErrorType.CLASS]


def test_the_truth_an_error_is_about_is_the_one_overlapped_most():
    objects = annotated(FAR, THIRD, SQUARE, labels=[0, 0, 1])
    found_errors = errors(found((6, 0, 9, 10), SQUARE, (80, 80, 90, 90), FAR), objects)
    # IoU of the first with THIRD is 0.3; the second is a localization error of THIRD as well.
    assert found_errors.truths.tolist() == [1, 1, -1, -1]


def test_truths_that_an_error_is_about_are_not_missed():
    objects = annotated(SQUARE, (20, 0, 30, 10), FAR, (80, 80, 90, 90))
    wrong_class, badly_placed, far = (20, 0, 30, 10), (55, 50, 65, 60), (90, 0, 99, 9)
    detections = found(SQUARE, wrong_class, badly_placed, far, labels=[0, 1, 0, 0])
    found_errors = errors(detections, objects)
    assert found_errors.missed.tolist() == [False, False, False, True]
    assert [found_errors.count(error) for error in ErrorType] == [1, 1, 0, 0, 1, 1]


def test_ignored_truths_are_not_missed_and_nothing_is_about_them():
    objects = annotated(SQUARE, FAR)
    found_errors = errors(found(THIRD, MOST, (55, 50, 65, 60)), objects, ignore=[True, False])
    background, forgiven, badly_placed = found_errors.types.tolist()
    assert forgiven == -1
    assert list(ErrorType)[background] is ErrorType.BACKGROUND
    assert list(ErrorType)[badly_placed] is ErrorType.LOCALIZATION
    assert found_errors.missed.tolist() == [False, False]


def test_other_images_do_not_count():
    objects = annotated(SQUARE, SQUARE, labels=[0, 1], images=[0, 0])
    assert types(found(SQUARE, images=[1]), objects) == [ErrorType.BACKGROUND]


def test_no_detections_and_no_truths_are_no_special_case():
    assert types(found(SQUARE), annotated()) == [ErrorType.BACKGROUND]
    assert errors(found(), annotated(SQUARE)).missed.tolist() == [True]
    assert errors(found(), annotated()).types.tolist() == []


def test_a_stricter_threshold_makes_a_true_positive_a_localization_error():
    assert types(found(HALF), annotated(SQUARE), iou_threshold=0.5) == [None]
    assert types(found(HALF), annotated(SQUARE), iou_threshold=0.6) == [ErrorType.LOCALIZATION]
