from __future__ import annotations

import numpy as np
import pytest

from singleshot.metrics import (
    false_positives_per_image,
    log_average_miss_rate,
    miss_rate_at,
    precision_recall_curve,
    recall_at_false_positives,
)

NUM_IMAGES = 10


def curve(outcomes: str, *, num_truths: int, scores: list[float] | None = None):
    """Of "+" for a true positive and "-" for a false positive, the surest first."""
    true_positive = np.array([outcome == "+" for outcome in outcomes], np.bool_)
    falling = np.linspace(0.9, 0.1, len(outcomes))
    return precision_recall_curve(
        falling if scores is None else np.array(scores), true_positive, num_truths=num_truths
    )


def test_false_positives_are_counted_over_all_images():
    fppi = false_positives_per_image(curve("+-+--", num_truths=4), NUM_IMAGES)
    assert fppi.tolist() == [0, 0.1, 0.1, 0.2, 0.3]


def test_a_threshold_takes_all_false_positives_of_equal_score():
    tied = curve("+--+-", num_truths=4, scores=[0.9, 0.5, 0.5, 0.5, 0.2])
    assert false_positives_per_image(tied, NUM_IMAGES).tolist() == [0, 0.2, 0.3]
    assert miss_rate_at(tied, NUM_IMAGES, 0.1) == 0.75  # only the first can be kept


def test_a_limit_that_is_met_exactly_counts():
    """Two of four objects are found before the second false positive in ten images, three after."""
    found = curve("+-+-+", num_truths=4)
    assert miss_rate_at(found, NUM_IMAGES, 0.19) == 0.5
    assert miss_rate_at(found, NUM_IMAGES, 0.2) == 0.25
    assert recall_at_false_positives(found, NUM_IMAGES, 0.2) == 0.75


def test_the_miss_rate_is_one_below_the_rate_of_a_best_scored_false_positive():
    found = curve("-++", num_truths=2)
    assert miss_rate_at(found, NUM_IMAGES, 0.09) == 1
    assert miss_rate_at(found, NUM_IMAGES, 0.1) == 0


def test_true_positives_before_the_first_false_positive_cost_nothing():
    assert recall_at_false_positives(curve("++-", num_truths=4), NUM_IMAGES, 0) == 0.5


def test_a_curve_that_ends_early_counts_with_its_last_point():
    assert miss_rate_at(curve("+", num_truths=4), NUM_IMAGES, 1) == 0.75


def test_faces_as_fddb_draws_them():
    """FDDB has 2,845 images; "at 1000 false positives" is their number in all of them."""
    true_positive = np.array([True] * 3000 + [False] * 1000 + [True] * 500 + [False] + [True] * 100)
    faces = precision_recall_curve(
        np.linspace(1, 0, len(true_positive)), true_positive, num_truths=5171
    )
    found = recall_at_false_positives(faces, 2845, 1000 / 2845)
    assert found == pytest.approx(3500 / 5171)


def test_the_log_average_is_a_geometric_mean_over_nine_rates():
    """One true, ten false, eight true positives, in 100 images: 0.1 per image is the fifth rate.

    Of ten objects 0.9 are missed at the first four rates, 0.1 at the five others.
    """
    found = curve("+" + "-" * 10 + "+" * 8, num_truths=10)
    assert log_average_miss_rate(found, 100) == pytest.approx(0.9 ** (4 / 9) * 0.1 ** (5 / 9))


@pytest.mark.parametrize(
    ("outcomes", "expected"), [("", 1), ("-" * 11, 1), ("+" * 4, 1e-10), ("++", 0.5)]
)
def test_the_ends_of_the_log_average(outcomes, expected):
    """Nothing or nothing right is found; all is found; half is found without a false positive."""
    assert log_average_miss_rate(curve(outcomes, num_truths=4), 1) == pytest.approx(expected)
