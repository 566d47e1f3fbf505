"""Calibration of scores: of detections with score 0.8, four in five should be true positives.

Guo, Pleiss, Sun and Weinberger 2017, "On Calibration of Modern Neural Networks"; for detection,
Küppers, Kronenberger, Shantia and Haselhoff 2020, "Multivariate Confidence Calibration for Object
Detection", where precision takes the place of accuracy.

A detector gives out many detections with scores close to 0, how many depends on where it stops, and
all of them are false positives, as their scores predict. An error over all of them is a number
about these: they are typically more than 95 % (Neumann, Zisserman and Vedaldi 2018, "Relaxed
Softmax"). So only detections with at least a score of `SCORE_FLOOR` count.
"""

from __future__ import annotations

from dataclasses import dataclass

import hotcoco
import numpy as np
from jaxtyping import Bool, Float64

__all__ = [
    "SCORE_FLOOR",
    "Calibration",
    "ScoreBin",
    "apply_temperature",
    "calibrate",
    "fit_temperature",
]

SCORE_FLOOR = 0.05  # where torchvision and Detectron2 have their two-stage detectors stop

# A score of 1 usually is a float32 rounded up from at most half a unit of its last place below.
CLOSEST_TO_CERTAIN = 2.0**-25
LOWEST_TEMPERATURE, HIGHEST_TEMPERATURE = 0.01, 100.0
MOST_STEPS = 100  # Newton's method takes about six


@dataclass(frozen=True, slots=True)
class ScoreBin:
    """Detections with scores in a range: one bar of a reliability diagram."""

    low: float
    high: float
    count: int
    mean_score: float | None  # None in an empty bin
    share_of_true_positives: float | None  # None in an empty bin


@dataclass(frozen=True)
class Calibration:
    """Distance of scores from the share of true positives, before and after temperature scaling."""

    score_floor: float  # detections with less are left out
    count: int  # detections that are not
    bins: tuple[ScoreBin, ...]  # equally wide, from 0 to 1; a score on a border is in the higher
    # ECE: mean over detections of |mean score - share of true positives| of their bin
    expected_error: float
    temperature: float  # above 1 for an overconfident detector
    expected_error_after: float  # of the scores at that temperature
    negative_log_likelihood: float  # mean over detections, in nats
    negative_log_likelihood_after: float


def calibrate(
    scores: Float64[np.ndarray, " n"],
    true_positive: Bool[np.ndarray, " n"],
    *,
    num_bins: int = 10,
    score_floor: float = SCORE_FLOOR,
) -> Calibration | None:
    """Compare scores from the floor on with the share of true positives; None without any.

    Leave ignored detections out.

    ECE = sum over bins of count / n x |mean score - share of true positives| (Guo et al. 2017, eq.
    3; the D-ECE of Küppers et al. 2020 over the score alone). The temperature is fitted to the very
    detections it is evaluated on: one number, so that the result is hardly optimistic.
    """
    counted = scores >= score_floor
    scores, true_positive = scores[counted], true_positive[counted]
    if not len(scores):
        return None
    temperature = fit_temperature(scores, true_positive)
    after = apply_temperature(scores, temperature)
    bins = hotcoco.metrics.calibration_curve(scores, true_positive, n_bins=num_bins)
    return Calibration(
        score_floor=score_floor,
        count=len(scores),
        bins=tuple(
            ScoreBin(
                low=one["bin_lower"],
                high=one["bin_upper"],
                count=one["count"],
                mean_score=one["avg_confidence"] if one["count"] else None,
                share_of_true_positives=one["avg_accuracy"] if one["count"] else None,
            )
            for one in bins
        ),
        expected_error=hotcoco.metrics.calibration_error(scores, true_positive, n_bins=num_bins)[0],
        temperature=temperature,
        expected_error_after=hotcoco.metrics.calibration_error(
            after, true_positive, n_bins=num_bins
        )[0],
        negative_log_likelihood=negative_log_likelihood(scores, true_positive, temperature=1.0),
        negative_log_likelihood_after=negative_log_likelihood(
            scores, true_positive, temperature=temperature
        ),
    )


def apply_temperature(
    scores: Float64[np.ndarray, " n"], temperature: float
) -> Float64[np.ndarray, " n"]:
    """Compute sigmoid(logit(score) / temperature); 0, 1 and the order of scores stay."""
    with np.errstate(divide="ignore", over="ignore"):
        logits = np.log(scores) - np.log1p(-scores)
        return np.asarray(1 / (1 + np.exp(-logits / temperature)))


def fit_temperature(
    scores: Float64[np.ndarray, " n"], true_positive: Bool[np.ndarray, " n"]
) -> float:
    """Find the temperature, 0.01 to 100, of the least negative log likelihood (Guo et al., §4.2).

    The likelihood is convex in 1 / temperature, so its slope has one zero: Newton's method, halving
    the interval instead whenever a step would leave it. An end of the range is the answer where
    the scores order all detections rightly (the lowest), or are worse than chance (the highest).
    Scores of 0 and 1 count as 2^-25 away from it, for one certain mistake would be infinitely
    unlikely. Without detections the temperature is 1.
    """
    agreement = agreements(scores, true_positive)
    if not agreement.any():
        return 1.0
    low, high = 1 / HIGHEST_TEMPERATURE, 1 / LOWEST_TEMPERATURE  # of the inverse temperature
    inverse = 1.0
    for _ in range(MOST_STEPS):
        doubt = 1 / (1 + np.exp(inverse * agreement))
        slope = -float(agreement @ doubt)
        curvature = float(agreement**2 @ (doubt * (1 - doubt)))
        low, high = (inverse, high) if slope < 0 else (low, inverse)
        step = inverse - slope / curvature if curvature > 0 else np.inf
        following = step if low < step < high else (low + high) / 2
        if abs(following - inverse) <= 1e-12 * inverse:
            break
        inverse = following
    return float(1 / inverse)


def negative_log_likelihood(
    scores: Float64[np.ndarray, " n"], true_positive: Bool[np.ndarray, " n"], *, temperature: float
) -> float:
    """Compute the mean of -log(probability of the outcome), scores kept 2^-25 away from 0 and 1."""
    return float(np.logaddexp(0, -agreements(scores, true_positive) / temperature).mean())


def agreements(
    scores: Float64[np.ndarray, " n"], true_positive: Bool[np.ndarray, " n"]
) -> Float64[np.ndarray, " n"]:
    """Compute the logit of each score, negated for a false positive."""
    inside = scores.clip(CLOSEST_TO_CERTAIN, 1 - CLOSEST_TO_CERTAIN)
    logits = np.log(inside) - np.log1p(-inside)
    return np.asarray(np.where(true_positive, logits, -logits))
