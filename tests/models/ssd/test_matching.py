import torch

from singleshot.models.ssd.matching import UNMATCHED, match


def test_every_object_gets_a_prior_even_below_the_threshold():
    iou = torch.tensor([[[0.1, 0.2, 0.0], [0.0, 0.3, 0.0]]])
    # The second object takes the middle prior, so the first is left with its second best.
    assert match(iou, 0.5).tolist() == [[0, 1, UNMATCHED]]


def test_other_priors_are_matched_from_the_threshold_on():
    iou = torch.tensor([[[0.5, 0.9, 0.49]]])
    assert match(iou, 0.5).tolist() == [[0, 0, UNMATCHED]]


def test_an_object_that_overlaps_no_prior_stays_without():
    assert match(torch.zeros(1, 2, 3), 0.5).tolist() == [[UNMATCHED] * 3]


def test_ties_go_to_the_first_prior_then_the_first_object():
    assert match(torch.full((1, 2, 3), 0.4), 0.5).tolist() == [[0, 1, UNMATCHED]]


def test_pictures_of_a_batch_do_not_meet():
    iou = torch.zeros(2, 1, 2)
    iou[0, 0, 1] = iou[1, 0, 0] = 0.7
    assert match(iou, 0.5).tolist() == [[UNMATCHED, 0], [0, UNMATCHED]]
