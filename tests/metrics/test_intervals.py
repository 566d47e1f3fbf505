from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats
from scipy.special import expit, logit

from singleshot.metrics.intervals import (
    estimate_interval,
    few_images_note,
    interval_of_difference,
    num_draws_for,
    p_value_of_difference,
    p_value_of_tail,
)


def draws(spread: float, *, centre: float = 0.0, count: int = 20_000) -> np.ndarray:
    """The value on all images, then normal draws around it."""
    random = np.random.default_rng(0)
    return np.append(centre, centre + spread * random.standard_normal(count))


@pytest.mark.parametrize("images", [5, 8, 25, 70, 5000])
def test_normal_draws_give_the_interval_of_students_t(images):
    """The bootstrap's standard error of a mean is sqrt((n - 1) / n) of the textbook's."""
    found = interval_of_difference(draws(1.0, centre=0.5), 0.95, images=images)
    reach = math.sqrt(images / (images - 1)) * stats.t.ppf(0.975, images - 1)
    # A quantile that far out errs by a few per cent even among 20,000 draws.
    assert (found.low, found.high) == pytest.approx((0.5 - reach, 0.5 + reach), rel=0.05, abs=0.05)
    assert found.difference == 0.5


@pytest.mark.parametrize("images", [8, 25, 70])
def test_the_interval_of_one_detector_is_students_in_the_logit(images):
    values = expit(draws(0.4, centre=logit(0.9)))
    low, high = estimate_interval(values, 0.95, images=images)
    reach = 0.4 * math.sqrt(images / (images - 1)) * stats.t.ppf(0.975, images - 1)
    assert logit([low, high]) == pytest.approx(logit(0.9) + np.array([-reach, reach]), rel=0.03)
    assert high < 1


def test_the_interval_of_one_detector_holds_its_value_also_at_the_edges():
    values = np.array([1.0, 1.0, 1.0, 0.95, 1.0])
    low, high = estimate_interval(values, 0.95, images=8)
    assert low < 0.95
    assert high == 1.0


@pytest.mark.parametrize(("images", "spread"), [(4, 0.1), (50, 0.0)])
def test_without_enough_images_or_any_variation_there_is_no_interval(images, spread):
    assert estimate_interval(draws(spread, centre=0.5), 0.95, images=images) is None


def test_without_defined_draws_there_is_no_interval():
    undefined = np.array([0.5, np.nan, np.nan])
    assert estimate_interval(undefined, 0.95, images=8) is None
    assert interval_of_difference(undefined, 0.95, images=8) == (0.5, None, None, None, 8)


@pytest.mark.parametrize("images", [5, 8, 14, 70, 5000])
@pytest.mark.parametrize("tail", [0.4, 0.05, 0.01, 0.001])
def test_p_values_are_students_of_the_share_on_the_other_side(images, tail):
    t = stats.norm.ppf(tail) * math.sqrt((images - 1) / images)
    expected = 2 * stats.t.cdf(t, images - 1)
    assert p_value_of_tail(tail, images=images) == pytest.approx(expected, rel=0.03)


def test_a_p_value_of_five_per_cent_is_an_interval_that_begins_to_exclude_zero():
    values = draws(1.0, centre=2.0, count=2000)
    low = interval_of_difference(values, 0.95, images=12).low
    excluded = values - low  # moved so that the interval begins at 0
    assert p_value_of_difference(excluded[1:], images=12) == pytest.approx(0.05, abs=0.005)


def test_a_half_and_more_on_the_other_side_is_no_evidence():
    assert p_value_of_tail(0.5, images=8) == p_value_of_tail(0.9, images=8) == 1


@pytest.mark.parametrize(("p_value", "images"), [(0.025, 8), (0.025, 5), (0.0004, 70)])
def test_so_many_draws_reach_a_p_value(p_value, images):
    count = num_draws_for(p_value, images=images)
    assert p_value_of_tail(1 / (1 + count), images=images) <= p_value * 1.0001
    assert p_value_of_tail(1 / (0.9 * count), images=images) > p_value


@pytest.mark.parametrize(
    ("images", "words"),
    [
        (1, "only 1 image has objects that count, too few for confidence intervals"),
        (4, "only 4 images have objects that count, too few for confidence intervals"),
        (5, "only 5 images have objects that count: confidence intervals and p-values are rough"),
        (19, "evaluate on 20 or more"),
    ],
)
def test_few_images_are_noted(images, words):
    assert words in few_images_note(images)


def test_twenty_images_are_enough():
    assert few_images_note(20) is None
