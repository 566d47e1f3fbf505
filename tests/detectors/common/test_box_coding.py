import torch

from singleshot.boxes.geometry import to_corners
from singleshot.detectors.common.box_coding import decode, encode

SCALES = (0.1, 0.2)


def test_decode_undoes_encode(random):
    boxes = to_corners(torch.rand(100, 4, generator=random) + 0.1)
    priors = torch.rand(100, 4, generator=random) + 0.1
    torch.testing.assert_close(decode(encode(boxes, priors, SCALES), priors, SCALES), boxes)


def test_a_box_on_its_prior_has_no_offsets():
    prior = torch.tensor([[0.5, 0.5, 0.2, 0.4]])
    torch.testing.assert_close(encode(to_corners(prior), prior, SCALES), torch.zeros(1, 4))


def test_offsets_are_scaled_by_a_tenth_and_a_fifth():
    prior = torch.tensor([[0.5, 0.5, 0.2, 0.4]])
    moved = to_corners(torch.tensor([[0.52, 0.5, 0.2 * torch.e, 0.4]]))
    torch.testing.assert_close(encode(moved, prior, SCALES), torch.tensor([[1.0, 0.0, 5.0, 0.0]]))


def test_wild_predictions_stay_finite():
    prior = torch.tensor([[0.5, 0.5, 0.2, 0.4]])
    assert decode(torch.full((1, 4), 1e6), prior, SCALES).isfinite().all()
