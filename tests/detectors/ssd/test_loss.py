import math

import pytest
import torch

from singleshot.detectors.common.box_coding import decode, encode
from singleshot.detectors.ssd.loss import (
    PAPER_LOSS,
    LossOptions,
    box_losses,
    focal,
    hard_negatives,
    mined_sigmoid,
    multibox_loss,
    quality_focal,
    varifocal,
)
from singleshot.detectors.ssd.matching import Matched, SsdOutputs
from singleshot.detectors.ssd.priors import Priors
from singleshot.detectors.ssd.settings import LossSettings, MatchingSettings


def test_the_defaults_of_a_recipe_are_the_papers():
    assert LossOptions.from_settings(LossSettings(), MatchingSettings()) == PAPER_LOSS


def loss_of(target_columns, logits=None, **options):
    """At priors of a tenth of the image; each object lies half an offset from its prior."""
    columns = torch.tensor(target_columns)
    image, prior = columns.nonzero(as_tuple=True)
    if logits is None:
        logits = torch.zeros(*columns.shape, 3)
    priors = torch.tensor([[0.5, 0.5, 0.1, 0.1]]).repeat(columns.shape[1], 1)
    truths = decode(torch.full((len(prior), 4), 0.5), priors[prior], (0.1, 0.2))
    one = torch.ones(len(prior))
    return multibox_loss(
        SsdOutputs(torch.zeros(*columns.shape, 4), logits),
        Matched(image, prior, columns[image, prior] - 1, truths, quality=one, weight=one),
        Priors(priors, (), (300, 300)),
        LossOptions(**options),
    )


def test_one_object_and_its_three_negatives_at_flat_logits():
    losses = loss_of([[1, 0, 0, 0, 0, 0]])
    # Smooth L1 of 0.5 is 0.125, four times; four priors are one in three classes.
    assert float(losses.terms["localization"]) == pytest.approx(0.5)
    assert float(losses.terms["classification"]) == pytest.approx(4 * math.log(3))
    assert float(losses.total) == pytest.approx(0.5 + 4 * math.log(3))


def test_localization_is_weighted():
    losses = loss_of([[1, 0, 0, 0, 0, 0]], localization_weight=3.0)
    assert float(losses.terms["localization"]) == pytest.approx(1.5)
    assert float(losses.terms["classification"]) == pytest.approx(4 * math.log(3))


def test_smoothed_labels_leave_a_part_to_other_classes():
    logits = torch.tensor([[[0.0, 5.0, 0.0]]])
    sure, smoothed = loss_of([[1]], logits), loss_of([[1]], logits, label_smoothing=0.3)
    # A tenth for each of three columns: two of them are 5 below the right one.
    assert float(smoothed.terms["classification"] - sure.terms["classification"]) == pytest.approx(
        2 * 0.1 * 5
    )


def test_a_batch_without_objects_costs_nothing():
    assert float(loss_of([[0, 0, 0]]).total) == 0


def test_an_image_without_objects_can_be_given_negatives():
    assert float(loss_of([[0, 0, 0]], min_negatives=2).terms["classification"]) == pytest.approx(
        2 * math.log(3)
    )


def test_the_number_of_matches_in_the_whole_batch_divides():
    alone = loss_of([[1, 0, 0, 0, 0]])
    with_another = loss_of([[1, 0, 0, 0, 0], [1, 1, 0, 0, 0]])
    # The second image has three negatives only, of the six it might have.
    assert float(alone.terms["classification"]) == pytest.approx(4 * math.log(3))
    assert float(with_another.terms["classification"]) == pytest.approx(9 / 3 * math.log(3))


def test_the_hardest_negatives_are_taken():
    loss = torch.tensor([[0.0, 5.0, 1.0, 4.0, 3.0, 2.0]])
    positive = torch.tensor([[True, False, False, False, False, False]])
    taken = hard_negatives(loss, positive, ratio=3.0)
    assert taken.tolist() == [[False, True, False, True, True, False]]


def test_of_equal_losses_the_first_are_taken():
    taken = hard_negatives(torch.ones(1, 5), torch.tensor([[0, 1, 0, 0, 0]]).bool(), ratio=2.0)
    assert taken.tolist() == [[True, False, True, False, False]]


def test_a_part_of_a_negative_is_none():
    positive = torch.tensor([[True, False, False, False]])
    assert int(hard_negatives(torch.ones(1, 4), positive, ratio=2.5).sum()) == 2


def test_a_nan_loss_is_not_passed_over():
    logits = torch.zeros(2, 6, 3)
    logits[0, 4] = math.nan
    assert math.isnan(float(loss_of([[1, 0, 0, 0, 0, 0], [1, 0, 0, 0, 0, 0]], logits).total))


def test_only_what_is_learned_from_has_a_gradient():
    logits = torch.zeros(1, 6, 3, requires_grad=True)
    losses = loss_of([[2, 0, 0, 0, 0, 0]], logits)
    losses.terms["classification"].backward()
    third = 1 / 3
    expected = [[third, third, -2 * third], *[[-2 * third, third, third]] * 3, *[[0.0] * 3] * 2]
    torch.testing.assert_close(logits.grad, torch.tensor([expected]))


SIZE = (200, 400)
PRIOR = torch.tensor([[0.5, 0.5, 0.25, 0.5]])


def cost(kind, predicted, truth):
    """The loss of one box, in pixels of an image of 400 by 200."""
    predicted, truth = (
        torch.tensor([box]) / torch.tensor([400, 200, 400, 200]) for box in (predicted, truth)
    )
    offsets = encode(predicted, PRIOR, (0.1, 0.2))
    return box_losses(offsets, truth, PRIOR, kind=kind, size=SIZE).item()


PREDICTED, TRUTH = (100.0, 50, 200, 150), (150.0, 50, 250, 100)
IOU = 50 * 50 / (100 * 100 + 100 * 50 - 50 * 50)


def test_giou_adds_what_the_hull_has_beyond_both():
    hull, union = 150 * 100, 12500
    assert cost("giou", PREDICTED, TRUTH) == pytest.approx(
        1 - IOU + (hull - union) / hull, rel=1e-4
    )


def test_diou_adds_the_distance_of_centres_in_pixels():
    distance = (50**2 + 25**2) / (150**2 + 100**2)
    assert cost("diou", PREDICTED, TRUTH) == pytest.approx(1 - IOU + distance, rel=1e-4)


def test_ciou_adds_the_aspect_ratio_too():
    distance = (50**2 + 25**2) / (150**2 + 100**2)
    v = 4 / math.pi**2 * (math.atan(2) - math.atan(1)) ** 2
    expected = 1 - IOU + distance + v**2 / (1 - IOU + v)
    assert cost("ciou", PREDICTED, TRUTH) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("kind", ["smooth-l1", "giou", "diou", "ciou"])
def test_the_right_box_costs_nothing(kind):
    assert cost(kind, TRUTH, TRUTH) == pytest.approx(0, abs=1e-5)


def test_smooth_l1_is_of_offsets():
    # 5 of the prior's 100 pixels, over a tenth: an offset of 0.5, which costs half its square.
    assert cost("smooth-l1", (155.0, 50, 255, 150), (150.0, 50, 250, 150)) == pytest.approx(
        0.125, rel=1e-5
    )


def slow(formula, logits, targets):
    """The sum of a formula of (probability, targets)."""
    pairs = zip(logits.double().sigmoid().flatten(), targets.double().flatten(), strict=True)
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
    logits, targets = case[0], case[1].ceil()
    assert focal(logits, targets).item() == pytest.approx(slow(focal_of, logits, targets), rel=1e-5)


@pytest.mark.parametrize(
    ("loss", "formula"), [(quality_focal, quality_focal_of), (varifocal, varifocal_of)]
)
def test_quality_losses_are_the_papers(case, loss, formula):
    assert loss(*case).item() == pytest.approx(slow(formula, *case), rel=1e-5)


def test_a_clear_negative_hardly_counts():
    nothing = torch.zeros(1, 1, 1)
    # 0.75 · 0.01² · -log 0.99
    rare = torch.full((1, 1, 1), math.log(0.01 / 0.99))
    assert focal(rare, nothing).item() == pytest.approx(7.538e-7, rel=1e-3)


def test_a_score_that_equals_its_quality_costs_no_quality_focal_loss():
    quality = torch.tensor([[[0.7]]])
    assert quality_focal(quality.logit(), quality).item() == pytest.approx(0, abs=1e-9)


def mined(targets, *, min_negatives=0, label_smoothing=0.0, logits=None):
    targets = torch.tensor(targets)
    return mined_sigmoid(
        torch.zeros_like(targets) if logits is None else torch.tensor(logits),
        targets,
        negatives_per_positive=3.0,
        min_negatives=min_negatives,
        label_smoothing=label_smoothing,
    ).item()


def test_one_object_and_three_of_its_five_negatives_are_learned():
    one = [[[1.0, 0.0]] + [[0.0, 0.0]] * 5]
    # Four priors with two classes, each at even odds.
    assert mined(one) == pytest.approx(8 * math.log(2))


def test_the_hardest_negative_is_the_most_confident_one():
    targets = [[[1.0], [0.0], [0.0], [0.0], [0.0]]]
    found = mined(targets, logits=[[[0.0], [-9.0], [2.0], [1.0], [3.0]]])
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
