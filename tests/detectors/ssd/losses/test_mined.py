import math

import pytest
import torch

from singleshot.detectors.common.box_coding import decode
from singleshot.detectors.ssd.losses.mined import hard_negatives
from singleshot.detectors.ssd.losses.objective import objective
from singleshot.detectors.ssd.matching.targets import Matched, Outputs
from singleshot.recipes.load import load_recipe


def loss_of(target_columns, logits=None, *, min_negatives=0, **loss):
    """At priors of a tenth of the image; each object lies half an offset from its prior."""
    columns = torch.tensor(target_columns)
    image, prior = columns.nonzero(as_tuple=True)
    if logits is None:
        logits = torch.zeros(*columns.shape, 3)
    priors = torch.tensor([[0.5, 0.5, 0.1, 0.1]]).repeat(columns.shape[1], 1)
    truths = decode(torch.full((len(prior), 4), 0.5), priors[prior], (0.1, 0.2))
    one = torch.ones(len(prior))
    changes = {"model.matching.min_negatives": min_negatives}
    changes |= {f"model.loss.{key}": value for key, value in loss.items()}
    return objective(
        Outputs(torch.zeros(*columns.shape, 4), logits),
        Matched(image, prior, columns[image, prior] - 1, truths, quality=one, weight=one),
        priors,
        load_recipe("ssd300-vgg16", changes).model,
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


def test_a_loss_that_is_no_number_is_not_passed_over():
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
