import pytest
import torch

from singleshot.boxes.geometry import to_corners
from singleshot.detectors.common.priors import PriorLevel, prior_boxes

# Two cells of 50 pixels side by side in an input of (50, 100), a small prior and a large one each.
LEVEL = PriorLevel((1, 2), (50, 50), (25, 25), ((20, 10), (60, 80)))
SIZE = (50, 100)


def test_priors_run_cell_by_cell_and_then_shape_by_shape():
    assert len(LEVEL) == 4
    assert LEVEL.boxes_cxcywh().tolist() == [
        [25, 25, 20, 10],
        [25, 25, 60, 80],
        [75, 25, 20, 10],
        [75, 25, 60, 80],
    ]


def test_priors_are_fractions_of_width_and_height():
    expected = torch.tensor([0.25, 0.5, 0.2, 0.2])
    torch.testing.assert_close(prior_boxes([LEVEL], SIZE)[0], expected)


def test_priors_reach_beyond_the_input_unless_they_are_clipped():
    torch.testing.assert_close(prior_boxes([LEVEL], SIZE)[1], torch.tensor([0.25, 0.5, 0.6, 1.6]))


def test_clipping_the_size_leaves_the_centre():
    clipped = prior_boxes([LEVEL], SIZE, "size")[1]
    torch.testing.assert_close(clipped, torch.tensor([0.25, 0.5, 0.6, 1.0]))


def test_clipping_the_centre_moves_cells_beyond_the_input():
    beyond = PriorLevel((1, 1), (50, 50), (25, 110), ((20, 10),))
    clipped = prior_boxes([beyond], SIZE, "centre")[0]
    torch.testing.assert_close(clipped, torch.tensor([1.0, 0.5, 0.2, 0.2]))


def test_clipping_corners_cuts_boxes_off():
    clipped = to_corners(prior_boxes([LEVEL], SIZE, "corners"))[1]
    torch.testing.assert_close(clipped, torch.tensor([0.0, 0.0, 0.55, 1.0]))


def test_another_kind_of_clipping_is_refused():
    with pytest.raises(Exception, match=r"(?i)center"):
        prior_boxes([LEVEL], SIZE, "center")
