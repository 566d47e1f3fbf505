from __future__ import annotations

import numpy as np
import pytest

from singleshot.metrics import precision_recall_curve


def test_five_of_eight_dogs_are_dogs_and_five_of_twelve_are_found():
    """The tutorial's example: 12 dogs, 8 detections, 5 of them right."""
    true_positive = np.array([True, True, False, True, True, False, True, False])
    curve = precision_recall_curve(np.linspace(0.9, 0.2, 8), true_positive, num_truths=12)
    assert curve.precision[-1] == 0.625
    assert curve.recall[-1] == pytest.approx(0.4167, abs=5e-5)


def test_detections_are_taken_by_falling_score():
    curve = precision_recall_curve(
        np.array([0.1, 0.9, 0.5]), np.array([True, True, False]), num_truths=4
    )
    assert curve.scores.tolist() == [0.9, 0.5, 0.1]
    assert curve.recall.tolist() == [0.25, 0.25, 0.5]
    assert curve.precision.tolist() == [1, 0.5, 2 / 3]


def test_a_threshold_takes_all_detections_of_equal_score():
    curve = precision_recall_curve(
        np.array([0.9, 0.5, 0.5, 0.5]), np.array([True, True, False, False]), num_truths=2
    ).at_thresholds()
    assert curve.scores.tolist() == [0.9, 0.5]
    assert curve.recall.tolist() == [0.5, 1]
    assert curve.precision.tolist() == [1, 0.5]


def test_a_curve_without_detections_is_empty():
    curve = precision_recall_curve(np.zeros(0), np.zeros(0, np.bool_), num_truths=2)
    assert len(curve) == len(curve.at_thresholds()) == 0
