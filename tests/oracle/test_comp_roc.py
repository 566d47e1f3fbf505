"""Ours against Dollár's rule, and chosen thresholds against every threshold there is."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from oracle import comp_roc

from singleshot.metrics import (
    Rule,
    choose_threshold,
    false_positives_per_image,
    log_average_miss_rate,
    miss_rate_at,
    precision_recall_curve,
)

LIMITS = [0, 0.01, 0.1, 0.25, 0.5, 1, 3]
RULES = ["precision=0.5", "precision=0.75", "precision=1", "recall=0.5", "recall=1"]
RULES += ["fppi=0", "fppi=0.1", "fppi=0.5", "fppi=2", "f1"]

one_found = st.tuples(st.integers(0, 6), st.booleans())
found = st.lists(one_found, max_size=5) | st.lists(one_found, min_size=8, max_size=40)
num_images = st.sampled_from([1, 2, 3, 7, 40, 250])


@st.composite
def cases(draw):
    """Scores with ties, true positives, truths (at least as many) and images of one class."""
    detections = draw(found)
    scores = [score / 6 for score, _ in detections]
    is_true = [right for _, right in detections]
    num_truths = max(1, sum(is_true) + draw(st.integers(0, 5)))
    return scores, is_true, num_truths, draw(num_images)


def curve_of(scores, is_true, num_truths):
    return precision_recall_curve(
        np.array(scores, np.float64), np.array(is_true, np.bool_), num_truths=num_truths
    )


def test_miss_rates_are_those_of_the_published_rule():
    seen = Counter()

    @given(cases())
    @example(([1.0, 0.5], [True, True], 2, 1))
    @example(([1.0, 0.5, 0.5], [True, True, False], 2, 250))
    @example(([0.5, 0.5, 0.25], [True, True, False], 2, 40))
    @example(([], [], 3, 7))
    @settings(max_examples=200, deadline=None)
    def agrees(case):
        scores, is_true, num_truths, num_images = case
        points = comp_roc.by_threshold(*case)
        curve = curve_of(scores, is_true, num_truths)
        fppi = false_positives_per_image(curve, num_images)
        assert fppi.tolist() == [one for one, _ in points]
        for limit in LIMITS:
            assert miss_rate_at(curve, num_images, limit) == comp_roc.miss_rate_at(points, limit)
        expected = comp_roc.log_average_miss_rate(points)
        assert log_average_miss_rate(curve, num_images) == pytest.approx(expected)
        seen.update(
            {
                "equal scores": len(set(scores)) < len(scores),
                "nothing found": not scores,
                "the first is too many": bool(points) and points[0][0] > 1,
                "nothing is missed": expected == pytest.approx(1e-10),
                "the curve ends early": bool(points) and points[-1][0] < 1,
                "in between": 1e-3 < expected < 0.99,
            }
        )

    agrees()
    assert min(seen.values()) >= 1, seen


@given(st.lists(st.booleans(), max_size=30), st.integers(0, 4), num_images)
@settings(max_examples=100, deadline=None)
def test_without_equal_scores_each_detection_is_a_point_as_in_matlab(is_true, missed, num_images):
    scores = [1 / (k + 1) for k in range(len(is_true))]
    num_truths = max(1, sum(is_true) + missed)
    points = comp_roc.by_detection(scores, is_true, num_truths, num_images)
    ours = log_average_miss_rate(curve_of(scores, is_true, num_truths), num_images)
    assert ours == pytest.approx(comp_roc.log_average_miss_rate(points))


def test_no_threshold_is_better_than_the_chosen_one():
    seen = Counter()

    @given(cases())
    @settings(max_examples=200, deadline=None)
    def agrees(case):
        scores, is_true, num_truths, num_images = case
        curve = curve_of(scores, is_true, num_truths)
        for text in RULES:
            chosen = choose_threshold(curve, num_images, Rule.parse(text))
            best = by_trying_all(case, text)
            seen[text, best is None] += 1
            if best is None:
                assert chosen.score_threshold is None
            else:
                numbers = chosen.precision, chosen.recall, chosen.false_positives_per_image
                assert (chosen.score_threshold, *numbers) == pytest.approx(best)

    agrees()
    assert all(seen[text, False] for text in RULES), seen
    assert all(seen[text, True] for text in RULES), seen


def by_trying_all(case, text):
    """The threshold a rule chooses and its worth; of equally good ones, the highest."""
    name, _, limit = text.partition("=")
    best, best_preferred = None, -1.0
    for threshold in sorted(set(case[0]), reverse=True):
        worth = comp_roc.worth(*case, threshold)
        precision, recall, fppi = worth
        f1 = 2 * precision * recall / (precision + recall) if precision else 0
        if name == "precision":
            reached, preferred = precision >= float(limit), recall
        elif name == "recall":
            reached, preferred = recall >= float(limit), precision
        elif name == "fppi":
            reached, preferred = fppi <= float(limit), recall
        else:
            reached, preferred = True, f1
        if recall > 0 and reached and preferred > best_preferred + 1e-12:
            best, best_preferred = (threshold, *worth), preferred
    return best
