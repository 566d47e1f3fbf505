from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from detection_cases import FAR, SQUARE, THIRD, annotated, found, random_case
from hypothesis import given, settings
from hypothesis import strategies as st

from singleshot.metrics import Protocol, compute_metrics, find_class_curves, find_true_positives
from singleshot.metrics.diagnosis import (
    ErrorTotal,
    ErrorType,
    SuspectKind,
    confusion_matrix,
    diagnose,
    find_errors,
)


def diagnosed(predictions, truths, *, names=("a", "b"), score_thresholds=None, **options):
    thresholds = np.zeros(len(names)) if score_thresholds is None else np.array(score_thresholds)
    options = {"protocol": Protocol.VOC10, "score_thresholds": thresholds} | options
    return diagnose(predictions, truths, names, **options)


EXAMPLE = (
    found(SQUARE, FAR, THIRD, scores=[0.9, 0.8, 0.3], images=[0, 0, 1]),
    annotated(SQUARE, SQUARE, images=[0, 1]),
)


def test_gains_and_calibration_are_about_all_detections_and_the_rest_about_those_kept():
    diagnosis = diagnosed(*EXAMPLE, score_thresholds=[0.5, 0.5])
    counts = {one.error: one.count for one in (*diagnosis.errors, *diagnosis.totals)}
    assert counts[ErrorType.LOCALIZATION] == 1
    assert counts[ErrorTotal.FALSE_POSITIVES] == 2
    assert sum(one.count for one in diagnosis.calibration.bins) == 3

    assert diagnosis.kept.scores.tolist() == [0.9, 0.8]
    assert diagnosis.kept_outcomes.truths.tolist() == [0, -1]
    assert diagnosis.kept_errors.count(ErrorType.LOCALIZATION) == 0
    assert diagnosis.kept_errors.missed.tolist() == [False, True]
    assert diagnosis.confusion.tolist() == [[1, 0, 1], [0, 0, 0], [1, 0, 0]]
    assert [tuple(one) for one in diagnosis.hardest] == [(1, 1, 0, 0.0), (0, 0, 1, 2 / 3)]
    assert diagnosis.average_precision == 0.5
    small = diagnosis.slices[0]
    assert (small.name, small.average_precision, small.recall) == ("small", 0.5, 0.5)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from(Protocol))
def test_detections_above_the_thresholds_are_matched_as_if_there_were_no_others(seed, protocol):
    predictions, truths = random_case(seed)
    truths = replace(truths, difficult=np.arange(len(truths)) % 5 == 0)
    thresholds = np.array([0.2, 0.5, np.inf])
    diagnosis = diagnosed(
        predictions, truths, names="abc", protocol=protocol, score_thresholds=thresholds
    )
    rule = {"ignore": protocol.ignores(truths), "iou_threshold": 0.5}
    kept = predictions[predictions.scores >= thresholds[predictions.labels]]
    kept = kept[np.argsort(-kept.scores)]
    outcomes = find_true_positives(kept, truths, **rule)
    errors = find_errors(kept, truths, outcomes, **rule)
    assert diagnosis.kept.scores.tolist() == kept.scores.tolist()
    assert diagnosis.kept_outcomes.truths.tolist() == outcomes.truths.tolist()
    assert diagnosis.kept_outcomes.ignored.tolist() == outcomes.ignored.tolist()
    assert diagnosis.kept_errors.types.tolist() == errors.types.tolist()
    assert diagnosis.kept_errors.missed.tolist() == errors.missed.tolist()
    matrix = confusion_matrix(predictions, truths, 3, score_thresholds=thresholds, **rule)
    assert diagnosis.confusion.tolist() == matrix.tolist()


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from(Protocol))
def test_average_precision_is_that_of_the_class_curves(seed, protocol):
    predictions, truths = random_case(seed)
    curves = find_class_curves(predictions, truths, 3, protocol=protocol)
    areas = [protocol.area(one.recall, one.precision) for one in curves if one is not None]
    mean = sum(areas) / len(areas) if areas else None
    diagnosis = diagnosed(predictions, truths, names="abc", protocol=protocol)
    assert diagnosis.average_precision == mean


@pytest.mark.parametrize("truths", [annotated(), annotated(SQUARE), annotated(num_images=0)])
@pytest.mark.parametrize("predictions", [found(), found(SQUARE, FAR)])
def test_no_detections_and_no_truths_are_no_special_case(predictions, truths):
    if not truths.num_images:
        predictions = found()
    diagnosis = diagnosed(predictions, truths)
    assert (diagnosis.average_precision is None) == (len(truths) == 0)
    assert (diagnosis.calibration is None) == (len(predictions) == 0)
    assert diagnosis.confusion.sum(axis=1)[0] == len(truths)
    json.dumps(diagnosis.to_json())


def test_the_miss_rate_of_a_class_is_that_of_its_curve_and_undefined_without_truths():
    # One of two truths is detected before any false positive: 0.5 missed at each of the nine rates.
    predictions, truths = EXAMPLE
    diagnosis = diagnosed(predictions, replace(truths, num_images=100))
    assert diagnosis.miss_rates == (pytest.approx(0.5), None)
    assert diagnosis.to_json()["log_average_miss_rates"] == {"a": pytest.approx(0.5), "b": None}


def test_fewer_than_a_hundred_images_have_no_log_average_miss_rate():
    predictions, truths = EXAMPLE
    assert diagnosed(predictions, replace(truths, num_images=99)).miss_rates == (None, None)


def test_a_class_without_a_true_positive_is_in_every_part_of_the_diagnosis():
    """Ten cats, all of them found as dogs: the worst failure must not be the one that is hidden."""
    cats = annotated(*[SQUARE] * 10, images=range(10), num_images=10)
    dogs = found(*[SQUARE] * 10, images=range(10), labels=[1] * 10, scores=[0.9] * 10)
    report = compute_metrics(dogs, cats, ["cat", "dog"], protocol=Protocol.VOC10)
    assert report.score_thresholds.tolist() == [0.3, 0.3]
    diagnosis = diagnosed(
        dogs, cats, names=("cat", "dog"), score_thresholds=report.score_thresholds
    )
    assert diagnosis.confusion.tolist() == [[0, 10, 0], [0, 0, 0], [0, 0, 0]]
    assert {(one.false_negatives, one.false_positives) for one in diagnosis.hardest} == {(1, 1)}
    assert Counter(one.kind for one in diagnosis.suspects) == {SuspectKind.WRONG_CLASS: 10}
    assert diagnosis.kept_errors.count(ErrorType.CLASS) == 10
    gains = {one.error: one.gain for one in (*diagnosis.errors, *diagnosis.totals)}
    assert gains[ErrorType.CLASS] == 1
    assert gains[ErrorTotal.FALSE_NEGATIVES] == 0  # no cat is left to find


def test_without_classes_all_is_undefined():
    diagnosis = diagnosed(found(), annotated(), names=())
    assert diagnosis.confusion.tolist() == [[0]]
    assert diagnosis.average_precision is None


def test_json_is_plain_names_the_images_and_has_no_infinity():
    diagnosis = diagnosed(
        *EXAMPLE,
        score_thresholds=[0.5, np.inf],
        attributes={"light": ("day", "night")},
        image_names=["x.jpg", "y.jpg"],
    )
    document = json.loads(json.dumps(diagnosis.to_json(), allow_nan=False))
    assert document["score_thresholds"] == [0.5, None]
    assert (document["calibration"]["score_floor"], document["calibration"]["count"]) == (0.05, 3)
    assert document["hardest"][0] == {
        "name": "y.jpg",
        "image": 1,
        "false_negatives": 1,
        "false_positives": 0,
        "f1": 0.0,
    }
    assert [one["error"] for one in document["errors"]] == list(ErrorType)
    assert document["errors_at_score_thresholds"]["background"] == 1
    assert document["slices"][-1]["name"] == "night"
    assert "name" not in diagnosed(*EXAMPLE).to_json()["hardest"][0]
