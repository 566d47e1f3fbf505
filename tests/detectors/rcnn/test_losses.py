import math

import pytest
import torch
from test_proposal_losses import literal_offsets

from singleshot.detectors.common.regions import LabelledRegions, sum_over_images
from singleshot.detectors.rcnn.losses import (
    decode_regions,
    fast_rcnn_losses,
    offset_targets,
    region_costs,
)

REGIONS = torch.tensor([[10.0, 20, 50, 40], [0, 0, 30, 60], [5, 5, 15, 15]])
TRUTHS = torch.tensor([[12.0, 18, 56, 44], [1, 2, 31, 50], [5, 5, 15, 15]])
LABELLED = LabelledRegions(REGIONS, torch.tensor([2, 1, 0]), TRUTHS)


def test_offsets_are_those_of_the_formula_over_their_spread():
    targets = offset_targets(LABELLED).tolist()
    for place in (0, 1):
        dx, dy, dw, dh = literal_offsets(REGIONS[place].tolist(), TRUTHS[place].tolist())
        assert targets[place] == pytest.approx([dx / 0.1, dy / 0.1, dw / 0.2, dh / 0.2], rel=1e-4)


def test_background_has_no_offsets():
    nowhere = LABELLED._replace(truths=TRUTHS * torch.tensor([[1.0], [1], [0]]))
    assert offset_targets(nowhere)[2].tolist() == [0, 0, 0, 0]


def test_decoding_undoes_it():
    offsets = offset_targets(LABELLED)[:, None].expand(3, 4, 4)
    boxes = decode_regions(offsets, REGIONS)
    for column in range(4):
        torch.testing.assert_close(boxes[:2, column], TRUTHS[:2])


def test_costs_are_those_of_the_paper():
    torch.manual_seed(0)
    logits, offsets = torch.randn(3, 3), torch.randn(3, 4) * 3
    costs = region_costs(logits, offsets, LABELLED)
    for place, label in enumerate((2, 1, 0)):
        row = logits[place].tolist()
        expected = math.log(sum(math.exp(value) for value in row)) - row[label]
        assert float(costs.classification[place]) == pytest.approx(expected, rel=1e-5)
    targets = offset_targets(LABELLED)
    for place in (0, 1):
        apart = (offsets[place] - targets[place]).abs().tolist()
        expected = sum(0.5 * x * x if x < 1 else x - 0.5 for x in apart)
        assert float(costs.localization[place]) == pytest.approx(expected, rel=1e-5)
    assert costs.localization[2] == 0


def test_an_image_counts_the_same_however_many_regions_it_has():
    costs = torch.tensor([1.0, 3.0, 7.0])
    # Of the first the mean is 2, of the second 7; the third has none.
    assert float(sum_over_images(costs, [2, 1, 0])) == 9


def test_offsets_are_those_of_the_label():
    offsets = torch.zeros(3, 3, 4)
    offsets[0, 2], offsets[1, 1] = offset_targets(LABELLED)[:2]
    losses = fast_rcnn_losses(torch.zeros(3, 3), offsets, [LABELLED])
    assert losses.terms["localization"] == 0
    assert float(losses.terms["classification"]) == pytest.approx(math.log(3))
    assert losses.num_matches == 2
