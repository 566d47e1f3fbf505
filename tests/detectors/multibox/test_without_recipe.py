"""MultiBox is built from its grids, their priors and heads, and a classifier."""

import torch
from one_convolution import OneConvolution, make_batch

from singleshot.detectors.common.single_size import InputOptions
from singleshot.detectors.multibox.heads import GridHeads, Grids, grid_levels
from singleshot.detectors.multibox.network import MultiBox, ProposalOptions
from singleshot.detectors.multibox.post_classifier import PostClassifier


def test_multibox_needs_no_recipe():
    torch.manual_seed(0)
    size = (128, 128)
    grids = Grids(8)
    cells = [(side, side) for side in (8, 6, 4, 3, 2, 1)]
    levels = grid_levels(cells, (0.1, 0.27, 0.44, 0.61, 0.78, 0.95), size)
    detector = MultiBox(
        OneConvolution([16]),
        ("cat", "dog"),
        InputOptions(size),
        grids=grids,
        levels=levels,
        heads=GridHeads(grids.channels, [level.num_priors_per_cell for level in levels]),
        classifier=PostClassifier(OneConvolution([16]), 2, warped=32),
        proposals=ProposalOptions(number=4),
    )
    for part in (0.0, 0.6):
        detector.enter(part)
        assert detector.losses(make_batch(size)).total > 0
    (detections,) = detector.eval().detect([torch.zeros(3, 80, 50, dtype=torch.uint8)])
    assert len(detections) <= 4 * 2
