"""Each formula, written out for single numbers, against the vectorised one."""

import math

import pytest
import torch

from singleshot.detectors.ssd.losses.focal import focal, mined_sigmoid, quality_focal, varifocal


def slow(formula, logits, wanted):
    """The sum of a formula of (probability, wanted)."""
    pairs = zip(logits.double().sigmoid().flatten(), wanted.double().flatten(), strict=True)
    return sum(formula(float(p), float(y)) for p, y in pairs)


def cross_entropy(p, y):
    return -y * math.log(p) - (1 - y) * math.log(1 - p)


def focal_of(p, y):
    return -0.25 * (1 - p) ** 2 * math.log(p) if y else -0.75 * p**2 * math.log(1 - p)


def quality_focal_of(p, y):
    return (y - p) ** 2 * cross_entropy(p, y)


def varifocal_of(p, q):
    return q * cross_entropy(p, q) if q > 0 else -0.75 * p**2 * math.log(1 - p)


@pytest.fixture
def case(random):
    """Logits, and qualities of which two thirds are 0."""
    logits = 3 * torch.randn(2, 30, 3, generator=random)
    quality = torch.rand(2, 30, 3, generator=random)
    return logits, quality * (torch.rand(2, 30, 3, generator=random) > 2 / 3)


def test_focal_loss_is_the_paper_s(case):
    logits, wanted = case[0], case[1].ceil()
    assert focal(logits, wanted).item() == pytest.approx(slow(focal_of, logits, wanted), rel=1e-5)


@pytest.mark.parametrize(
    ("loss", "formula"), [(quality_focal, quality_focal_of), (varifocal, varifocal_of)]
)
def test_quality_losses_are_the_papers(case, loss, formula):
    assert loss(*case).item() == pytest.approx(slow(formula, *case), rel=1e-5)


def test_a_well_found_negative_hardly_counts():
    nothing = torch.zeros(1, 1, 1)
    # 0.75 · 0.01² · -log 0.99
    rare = torch.full((1, 1, 1), math.log(0.01 / 0.99))
    assert focal(rare, nothing).item() == pytest.approx(7.538e-7, rel=1e-3)


def test_a_score_that_equals_its_quality_costs_no_quality_focal_loss():
    quality = torch.tensor([[[0.7]]])
    assert quality_focal(quality.logit(), quality).item() == pytest.approx(0, abs=1e-9)


def mined(wanted, *, min_negatives=0, label_smoothing=0.0, logits=None):
    wanted = torch.tensor(wanted)
    return mined_sigmoid(
        torch.zeros_like(wanted) if logits is None else torch.tensor(logits),
        wanted,
        negatives_per_positive=3.0,
        min_negatives=min_negatives,
        label_smoothing=label_smoothing,
    ).item()


def test_one_object_and_three_of_its_five_negatives_are_learned():
    one = [[[1.0, 0.0]] + [[0.0, 0.0]] * 5]
    # Four priors with two classes, each at even odds.
    assert mined(one) == pytest.approx(8 * math.log(2))


def test_the_hardest_negative_is_the_most_confident_one():
    wanted = [[[1.0], [0.0], [0.0], [0.0], [0.0]]]
    found = mined(wanted, logits=[[[0.0], [-9.0], [2.0], [1.0], [3.0]]])
    expected = sum(math.log1p(math.exp(logit)) for logit in (0, 2, 1, 3))
    assert found == pytest.approx(expected)


def test_images_without_objects_may_have_negatives():
    assert mined([[[0.0]] * 5]) == 0
    assert mined([[[0.0]] * 5], min_negatives=2) == pytest.approx(2 * math.log(2))


def test_smoothed_labels_keep_scores_from_the_ends():
    # At p = 1 - ε / 2 the smoothed loss is least: the entropy of that number.
    p = 0.95
    found = mined([[[1.0]]], label_smoothing=0.1, logits=[[[math.log(p / (1 - p))]]])
    assert found == pytest.approx(cross_entropy(p, p), rel=1e-5)
