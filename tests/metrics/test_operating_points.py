from __future__ import annotations

import numpy as np
import pytest

from singleshot.metrics import (
    best_f1,
    precision_at_recall,
    precision_recall_curve,
    recall_at_precision,
)

# Four objects: true positive, false positive, true positive, true positive, false positive.
CURVE = precision_recall_curve(
    np.array([0.9, 0.8, 0.7, 0.6, 0.5]),
    np.array([True, False, True, True, False]),
    num_truths=4,
)


def test_precision_at_recall_is_the_best_still_reachable():
    assert precision_at_recall(CURVE.recall, CURVE.precision, 0.25) == 1
    assert precision_at_recall(CURVE.recall, CURVE.precision, 0.3) == 0.75
    assert precision_at_recall(CURVE.recall, CURVE.precision, 0.8) == 0


def test_recall_at_precision_is_the_best_still_reachable():
    assert recall_at_precision(CURVE.recall, CURVE.precision, 0.75) == 0.75
    assert recall_at_precision(CURVE.recall, CURVE.precision, 0.9) == 0.25


def test_best_f1_has_the_score_precision_and_recall_of_its_point():
    best = best_f1(CURVE)
    assert best.f1 == pytest.approx(0.75)
    assert (best.score_threshold, best.precision, best.recall) == (0.6, 0.75, 0.75)


def test_of_two_best_f1_the_higher_threshold_is_chosen():
    """3 true positives of 5 and 4 of 8 have an F1 of 2/3 with 4 truths, in exact numbers."""
    outcomes = [True, True, False, False, True, False, False, True]
    curve = precision_recall_curve(
        np.array([0.5] * 5 + [0.25] * 3), np.array(outcomes), num_truths=4
    ).at_thresholds()
    assert curve.precision.tolist() == [0.6, 0.5]
    assert best_f1(curve).score_threshold == 0.5


@pytest.mark.parametrize("num_detections", [0, 2])
def test_without_true_positives_no_threshold_is_best(num_detections):
    curve = precision_recall_curve(
        np.linspace(1, 0.5, num_detections), np.zeros(num_detections, np.bool_), num_truths=3
    )
    assert best_f1(curve) == (0, None, None, 0)
    assert precision_at_recall(curve.recall, curve.precision, 0.5) == 0
    assert recall_at_precision(curve.recall, curve.precision, 0.5) == 0
