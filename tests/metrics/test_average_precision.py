from __future__ import annotations

import numpy as np
import pytest

from singleshot.metrics import eleven_points, every_point

# Two objects: a true positive, a false positive, a true positive.
RECALL, PRECISION = np.array([0.5, 0.5, 1]), np.array([1, 0.5, 2 / 3])


def test_every_point_is_the_area_under_the_envelope():
    assert every_point(RECALL, PRECISION) == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)


def test_eleven_points_are_six_at_precision_one_and_five_at_two_thirds():
    assert eleven_points(RECALL, PRECISION) == pytest.approx((6 * 1 + 5 * 2 / 3) / 11)


def test_recalls_never_reached_have_precision_zero():
    assert eleven_points(RECALL[:1], PRECISION[:1]) == pytest.approx(6 / 11)
    assert every_point(RECALL[:1], PRECISION[:1]) == 0.5


@pytest.mark.parametrize("area", [eleven_points, every_point])
def test_no_detections_have_average_precision_zero(area):
    assert area(np.zeros(0), np.zeros(0)) == 0
