from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from scipy.special import expit, logit

from singleshot.comparison.ranking import (
    adjust_p_values,
    num_resamples_for,
    rank_detectors,
)
from singleshot.metrics import Predictions, Protocol, Truths
from singleshot.metrics.bootstrap import compare_by_bootstrap
from singleshot.metrics.intervals import p_value_of_tail

BOX = np.array([10.0, 10, 30, 30])
FAR = np.array([60.0, 60, 80, 80])


def one_object_each(num_images: int) -> Truths:
    """Images with one object at the same place."""
    return Truths(
        images=np.arange(num_images),
        boxes=np.tile(BOX, (num_images, 1)),
        labels=np.zeros(num_images, np.int64),
        difficult=np.zeros(num_images, bool),
        crowd=np.zeros(num_images, bool),
        areas=np.full(num_images, 400.0),
        num_images=num_images,
    )


def finds(detected, scores=None) -> Predictions:
    """One detection in each image, on the object or far from it; the first are the surest."""
    detected = np.array(detected, bool)
    scores = 1 - np.arange(len(detected)) / 100 if scores is None else np.array(scores)
    boxes = np.where(detected[:, None], BOX, FAR)
    return Predictions(np.arange(len(detected)), boxes, scores, np.zeros(len(detected), np.int64))


def average_precision(detected, scores, drawn) -> float:
    """VOC's, every point, of images drawn with replacement; written out for one object each."""
    order = sorted(drawn, key=lambda image: -scores[image])
    found, precisions = 0, []
    for rank, image in enumerate(order, start=1):
        if detected[image]:
            found += 1
            precisions.append(found / rank)
    best = [max(precisions[place:]) for place in range(len(precisions))]
    return sum(best) / len(drawn)


def literal(detected, others, scores, *, resamples, seed):
    """(interval of the first, interval of the difference, p-value), image by image."""
    random, number = np.random.default_rng(seed), len(detected)
    draws = [random.integers(number, size=number).tolist() for _ in range(resamples)]
    own = [average_precision(detected, scores, drawn) for drawn in draws]
    other = [average_precision(others, scores, drawn) for drawn in draws]
    differences = [a - b for a, b in zip(own, other, strict=True)]
    below = sum(one <= 1e-12 for one in differences)
    above = sum(one >= -1e-12 for one in differences)
    widen, student = np.sqrt(number / (number - 1)), stats.t(number - 1)
    # 0 and 1 have no logit.
    reach = widen * student.ppf(0.975) * np.std(logit(np.clip(own, 0.001, 0.999)), ddof=1)
    centre = logit(average_precision(detected, scores, range(number)))
    tail = stats.norm.cdf(widen * student.ppf(0.025))
    t = stats.norm.ppf((1 + min(below, above)) / (1 + resamples)) / widen
    return (
        expit([centre - reach, centre + reach]),
        np.quantile(differences, [tail, 1 - tail]),
        min(1, 2 * student.cdf(t)),
    )


DETECTED = [1, 1, 1, 0, 1, 1, 0, 1, 1, 0, 1, 0]
OTHERS = [1, 0, 1, 0, 1, 0, 1, 1, 0, 0, 1, 0]


def test_intervals_and_p_values_are_those_of_the_literal_bootstrap():
    scores = 1 - np.arange(12) / 100
    own, difference, p_value = literal(DETECTED, OTHERS, scores, resamples=300, seed=5)
    ranking = rank_detectors(
        [finds(DETECTED), finds(OTHERS)],
        one_object_each(12),
        1,
        protocol=Protocol.VOC10,
        resamples=300,
        seed=5,
    )
    (pair,) = ranking.pairs
    assert ranking.estimates[0][1:] == pytest.approx(own, rel=1e-3)
    assert (pair.low, pair.high) == pytest.approx(difference, rel=1e-3)
    assert pair.p_value == pytest.approx(p_value, rel=1e-2)
    assert ranking.images == 12
    assert 0.05 < p_value < 1  # neither certain nor impossible
    everyone = average_precision(DETECTED, scores, range(12))
    assert ranking.estimates[0].value == pytest.approx(everyone)


@pytest.mark.parametrize("protocol", list(Protocol))
def test_a_pair_has_the_difference_and_the_interval_that_compare_gives(protocol):
    truths = one_object_each(12)
    first, second = finds(DETECTED), finds(OTHERS)
    expected = compare_by_bootstrap(
        first, second, truths, ["a"], protocol=protocol, resamples=100, seed=3
    )
    (pair,) = rank_detectors(
        [first, second], truths, 1, protocol=protocol, resamples=100, seed=3
    ).pairs
    found = (pair.difference, pair.low, pair.high)
    assert found == pytest.approx(expected.mean_average_precision[:3])


def test_twins_do_not_differ_significantly():
    (pair,) = rank_detectors(
        [finds(DETECTED), finds(DETECTED)], one_object_each(12), 1, protocol=Protocol.COCO
    ).pairs
    assert (pair.difference, pair.low, pair.high) == (0, 0, 0)
    assert pair.p_value == pair.p_value_adjusted == 1
    assert not pair.differs


def test_a_detector_that_finds_everything_differs_from_one_that_finds_nothing():
    (pair,) = rank_detectors(
        [finds([1] * 8), finds([0] * 8)], one_object_each(8), 1, protocol=Protocol.VOC10
    ).pairs
    assert (pair.difference, pair.low, pair.high) == (1, 1, 1)
    # In all of 1,000 draws; among eight images that is no stronger evidence.
    assert pair.p_value == pytest.approx(0.0235, rel=0.01)
    assert pair.differs


def test_four_images_are_too_few_for_intervals():
    ranking = rank_detectors(
        [finds([1] * 4), finds([0] * 4)], one_object_each(4), 1, protocol=Protocol.VOC10
    )
    assert ranking.estimates[0] == (1, None, None)
    (pair,) = ranking.pairs
    assert pair.difference == 1
    assert pair.p_value is None
    assert not pair.differs


def test_without_objects_nothing_is_defined():
    truths = one_object_each(6)
    truths.crowd[:] = True
    ranking = rank_detectors(
        [finds(DETECTED[:6]), finds(OTHERS[:6])], truths, 1, protocol=Protocol.VOC10
    )
    assert ranking.estimates[0] == (None, None, None)
    assert ranking.pairs[0].difference is None


def test_pairs_come_in_the_order_given_each_once():
    found = [finds(np.roll(DETECTED, shift)) for shift in range(4)]
    pairs = rank_detectors(
        found, one_object_each(12), 1, protocol=Protocol.VOC10, resamples=50
    ).pairs
    assert [(one.first, one.second) for one in pairs] == [
        (0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3),
    ]  # fmt: skip
    assert all(one.p_value <= one.p_value_adjusted for one in pairs)


def test_holm_adjusts_by_hand():
    # Sorted: 0.01 x 4, 0.02 x 3 (raised to no less than before), 0.03 x 2, 0.5 x 1.
    assert adjust_p_values([0.03, 0.01, 0.5, 0.02]) == pytest.approx([0.06, 0.04, 0.5, 0.06])
    assert adjust_p_values([0.4, 0.6]) == [0.8, 0.8]
    assert adjust_p_values([]) == []


@pytest.mark.parametrize(
    ("detectors", "images", "most"),
    [
        (1, 8, 1000),
        (2, 8, 1000),
        (2, 5, 25_000),
        (3, 8, 21_000),
        (12, 5000, 6000),
        (12, 70, 15_000),
    ],
)
def test_there_are_enough_draws_for_the_number_of_pairs(detectors, images, most):
    resamples = num_resamples_for(detectors, images=images)
    assert 1000 <= resamples <= most
    num_pairs = detectors * (detectors - 1) // 2
    assert num_pairs * p_value_of_tail(1 / (1 + resamples), images=images) <= 0.0251


def test_among_eight_images_no_number_of_draws_separates_twelve_detectors():
    assert num_resamples_for(12, images=8) == 40_000
    found = [finds([1] * 8 if perfect else [0] * 8) for perfect in [True] * 6 + [False] * 6]
    ranking = rank_detectors(found, one_object_each(8), 1, protocol=Protocol.VOC10, resamples=9000)
    assert not any(pair.differs for pair in ranking.pairs)
    rough, unreachable = ranking.notes()
    assert "8 images have objects that count" in rough
    assert "too few to call any of 66 pairs different" in unreachable


def test_with_enough_images_there_is_nothing_to_note():
    found = [finds([1] * 20), finds([0] * 20)]
    assert rank_detectors(found, one_object_each(20), 1, protocol=Protocol.VOC10).notes() == ()


def test_equally_good_detectors_are_rarely_called_different():
    random, truths = np.random.default_rng(0), one_object_each(40)
    different = 0
    for _ in range(40):
        found = [finds(random.random(40) < 0.7, random.permutation(40) / 40) for _ in range(3)]
        ranking = rank_detectors(found, truths, 1, protocol=Protocol.VOC10, resamples=200)
        different += any(pair.differs for pair in ranking.pairs)
    assert different <= 5  # of 40: 2 expected at 5 %, 5 allows for chance
