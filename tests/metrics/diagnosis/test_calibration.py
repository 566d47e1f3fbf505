from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from singleshot.metrics.diagnosis import apply_temperature, calibrate, fit_temperature


def sampled(temperature: float, count=20_000):
    """Scores whose logits are the true ones times `temperature`, and what then happened."""
    random = np.random.default_rng(0)
    logits = random.normal(-1, 1.5, count)
    true_positive = random.random(count) < 1 / (1 + np.exp(-logits))
    return 1 / (1 + np.exp(-temperature * logits)), true_positive


def test_always_claiming_nine_tenths_and_being_right_half_the_time_errs_by_four_tenths():
    result = calibrate(np.full(100, 0.9), np.arange(100) < 50)
    assert result.expected_error == pytest.approx(0.4)
    assert result.negative_log_likelihood == pytest.approx(-np.log(0.9 * 0.1) / 2)


def test_bins_hold_their_lower_border_and_the_last_one_also_its_upper():
    scores = np.array([0.0, 0.05, 0.5, 0.55, 1.0])
    bins = calibrate(scores, np.array([False, False, True, False, True]), score_floor=0).bins
    assert [one.count for one in bins] == [2, 0, 0, 0, 0, 2, 0, 0, 0, 1]
    assert (bins[5].low, bins[5].high) == (0.5, 0.6)
    assert (bins[5].mean_score, bins[5].share_of_true_positives) == (0.525, 0.5)
    assert (bins[1].mean_score, bins[1].share_of_true_positives) == (None, None)


def test_expected_error_is_guos_formula_over_the_bins():
    result = calibrate(*sampled(2.0), score_floor=0)
    gaps = [one.count * abs(one.mean_score - one.share_of_true_positives) for one in result.bins]
    assert result.expected_error == pytest.approx(sum(gaps) / 20_000)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_the_temperature_that_distorted_scores_is_fitted_and_corrects_them(temperature):
    result = calibrate(*sampled(temperature), score_floor=0)
    assert result.temperature == pytest.approx(temperature, rel=0.03)
    assert result.expected_error_after < 0.02 < result.expected_error or temperature == 1
    assert result.negative_log_likelihood_after <= result.negative_log_likelihood


@pytest.mark.parametrize("temperature", [0.3, 1.0, 2.5])
def test_temperature_is_that_of_a_general_minimiser_and_of_logistic_regression(temperature):
    scores, true_positive = sampled(temperature, count=500)

    def loss(value):
        return log_loss(true_positive, apply_temperature(scores, value))

    bounds = {"bounds": (0.01, 100), "method": "bounded", "options": {"xatol": 1e-9}}
    ours = fit_temperature(scores, true_positive)
    assert ours == pytest.approx(minimize_scalar(loss, **bounds).x, rel=1e-4)
    logits = np.log(scores / (1 - scores))[:, None]
    slope = (
        LogisticRegression(C=np.inf, fit_intercept=False, tol=1e-10)
        .fit(logits, true_positive)
        .coef_
    )
    assert 1 / ours == pytest.approx(slope.item(), rel=1e-4)


@pytest.mark.parametrize(
    ("scores", "true_positive", "expected"),
    [
        ([0.9, 0.6, 0.2], [True, True, False], 0.01),  # more extreme would be likelier still
        ([0.1, 0.9], [True, False], 100.0),  # worse than chance
        ([1.0, 1.0, 0.0], [True, False, False], None),  # certain and wrong once
        ([0.5, 0.5], [True, False], 1.0),  # no temperature changes it
        ([], [], 1.0),
    ],
)
def test_extreme_scores_have_a_temperature(scores, true_positive, expected):
    temperature = fit_temperature(np.array(scores), np.array(true_positive, np.bool_))
    assert 0.01 <= temperature <= 100
    assert expected is None or temperature == pytest.approx(expected, rel=1e-6)


@given(
    st.lists(st.floats(0, 1, width=32), min_size=1, max_size=50),
    st.floats(0.01, 100),
)
def test_temperature_never_changes_the_order_of_scores(scores, temperature):
    rising = np.sort(np.array(scores, np.float64))
    after = apply_temperature(rising, temperature)
    assert (np.diff(after) >= 0).all()
    assert ((after >= 0) & (after <= 1)).all()


def test_certain_scores_stay_certain():
    assert apply_temperature(np.array([0.0, 0.5, 1.0]), 7.0).tolist() == [0, 0.5, 1]


def test_detections_below_the_floor_change_nothing():
    """A thousand false positives with score 0.01 would bring the error from 0.4 to 0.045."""
    scores, true_positive = np.full(100, 0.9), np.arange(100) < 50
    junk, wrong = np.full(1000, 0.01), np.zeros(1000, np.bool_)
    with_junk = np.append(scores, junk), np.append(true_positive, wrong)
    assert calibrate(*with_junk) == calibrate(scores, true_positive)
    assert (calibrate(*with_junk).count, calibrate(*with_junk).score_floor) == (100, 0.05)
    everything = calibrate(*with_junk, score_floor=0)
    assert (everything.count, everything.expected_error) == (1100, pytest.approx(50 / 1100))
    assert calibrate(np.array([0.05]), np.array([True])).count == 1
    assert calibrate(junk, wrong) is None


def test_without_detections_there_is_no_calibration():
    assert calibrate(np.zeros(0), np.zeros(0, np.bool_)) is None
