import torch

from singleshot.boxes.geometry import pairwise_iou
from singleshot.detectors.ssd.bipartite import UNMATCHED, first_largest, match_boxes, match_overlaps


def test_every_object_gets_a_prior_even_below_the_threshold():
    iou = torch.tensor([[[0.1, 0.2, 0.0], [0.0, 0.3, 0.0]]])
    # The second object takes the middle prior, so the first is left with its second best.
    assert match_overlaps(iou, 0.5).tolist() == [[0, 1, UNMATCHED]]


def test_other_priors_are_matched_from_the_threshold_on():
    iou = torch.tensor([[[0.5, 0.9, 0.49]]])
    assert match_overlaps(iou, 0.5).tolist() == [[0, 0, UNMATCHED]]


def test_an_object_that_overlaps_no_prior_stays_without():
    assert match_overlaps(torch.zeros(1, 2, 3), 0.5).tolist() == [[UNMATCHED] * 3]


def test_ties_go_to_the_first_prior_then_the_first_object():
    assert match_overlaps(torch.full((1, 2, 3), 0.4), 0.5).tolist() == [[0, 1, UNMATCHED]]


def test_images_of_a_batch_do_not_meet():
    iou = torch.zeros(2, 1, 2)
    iou[0, 0, 1] = iou[1, 0, 0] = 0.7
    assert match_overlaps(iou, 0.5).tolist() == [[UNMATCHED, 0], [0, UNMATCHED]]


def test_many_images_are_matched_a_few_at_a_time(random):
    corners = torch.rand(40, 9, 2, generator=random)
    truths = torch.cat([corners, corners + 0.3 * torch.rand(40, 9, 2, generator=random)], dim=2)
    truths[::3, 4:] = 0  # padding
    truths[7] = 0
    priors = torch.rand(3000, 2, generator=random)
    priors = torch.cat([priors, priors + 0.2], dim=1)
    assert torch.equal(
        match_boxes(truths, priors, 0.5), match_overlaps(pairwise_iou(truths, priors), 0.5)
    )


def test_the_largest_number_is_found_at_its_first_place(random):
    for length in (1, 255, 256, 257, 700, 1024):
        rows = torch.randint(50, (4, 3, length), generator=random).float()
        largest, place = first_largest(rows)
        expected = rows.amax(dim=2)
        assert torch.equal(largest, expected)
        assert place.flatten().tolist() == [
            row.index(max(row)) for row in rows.flatten(0, 1).tolist()
        ]
