import pytest
import torch

from singleshot.detectors.ssd.priors import Priors, prior_levels, shapes_by_rule
from singleshot.detectors.ssd.settings import PriorSettings
from singleshot.errors import ModelError
from singleshot.recipes.load import load_recipe

SSD300_GRIDS = [(38, 38), (19, 19), (10, 10), (5, 5), (3, 3), (1, 1)]
SQUARE = (((10.0, 10.0),),)


def test_ssd300_has_8732_priors():
    priors = Priors.from_settings(
        load_recipe("ssd300-vgg16").model.priors, SSD300_GRIDS, (300, 300)
    )
    assert priors.boxes_cxcywh_unit.shape == (8732, 4)
    assert [level.num_priors_per_cell for level in priors.levels] == [4, 6, 6, 6, 4, 4]
    assert priors.offset_scales == (0.1, 0.2)


def test_a_cell_has_two_squares_then_each_ratio_and_its_inverse():
    shapes = torch.tensor(shapes_by_rule(30, 60, [2.0]))
    root = 2**0.5
    expected = [[30, 30], [30 * root, 30 * root], [30 * root, 30 / root], [30 / root, 30 * root]]
    torch.testing.assert_close(shapes, torch.tensor(expected))


def test_without_strides_cells_are_equal_parts_of_the_input():
    [level] = prior_levels([(3, 4)], SQUARE, (96, 160))
    assert level.stride == (32, 40)
    assert level.first_centre == (16, 20)


def test_strides_are_used_where_they_span_the_input():
    # Ten cells of 32 pixels reach to 320 of 300; nine leave a tenth of it empty.
    [spanning] = prior_levels([(10, 10)], SQUARE, (300, 300), strides=[32])
    [short] = prior_levels([(9, 9)], SQUARE, (300, 300), strides=[32])
    assert spanning.stride == (32, 32)
    assert short.stride[0] == pytest.approx(300 / 9)


def test_fixed_strides_are_used_anyway():
    [level] = prior_levels([(9, 9)], SQUARE, (300, 300), strides=[32], fixed_strides=True)
    assert level.stride == (32, 32)
    assert level.first_centre == (16, 16)


def test_first_centres_may_leave_a_border():
    [level] = prior_levels([(9, 9)], SQUARE, (300, 300), strides=[32], first_centres=[22])
    assert (level.stride, level.first_centre) == ((32, 32), (22, 22))


def test_shapes_may_be_given_one_by_one():
    settings = PriorSettings(shapes_unit=(((0.1, 0.2), (0.3, 0.3)),))
    priors = Priors.from_settings(settings, [(1, 1)], (200, 400))
    assert priors.levels[0].shapes == ((40, 40), (120, 60))
    torch.testing.assert_close(
        priors.boxes_cxcywh_unit, torch.tensor([[0.5, 0.5, 0.1, 0.2], [0.5, 0.5, 0.3, 0.3]])
    )


def test_sizes_can_be_cut_to_whole_pixels():
    settings = PriorSettings(
        sizes_unit=(0.07, 0.15), aspect_ratios=((),), whole_pixels=True, clip="size"
    )
    priors = Priors.from_settings(settings, [(1, 1)], (512, 512))
    assert priors.levels[0].shapes[0] == (35, 35)


def test_another_number_of_levels_is_refused():
    settings = load_recipe("ssd300-vgg16").model.priors
    with pytest.raises(ModelError, match=r"has 5 levels, but model\.priors\.aspect_ratios has 6"):
        Priors.from_settings(settings, SSD300_GRIDS[:5], (300, 300))
