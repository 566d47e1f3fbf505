import pytest
import torch
import torch.nn.functional as F

from singleshot.detectors.ssd.heads import Separable
from singleshot.detectors.ssd.pyramid import ExtraLevel, Pyramid, repeat_cells

LEVEL = ExtraLevel(squeeze=8, channels=6)


def extra(block, *, batch_norm=True, activation="relu6"):
    torch.manual_seed(0)
    layers = Separable(batch_norm, activation)
    return Pyramid([4], [LEVEL], block=block, separable=layers).eval()


def test_an_inverted_level_is_linear_at_the_end_and_a_separable_one_is_not():
    below = torch.randn(1, 4, 10, 10)
    assert extra("inverted")([below])[1].min() < 0
    assert extra("separable")([below])[1].min() == 0


def test_relu_has_no_upper_limit():
    below = torch.full((1, 4, 10, 10), 1e6)
    assert extra("separable")([below])[1].max() <= 6
    assert extra("separable", activation="relu")([below])[1].max() > 6


@pytest.mark.parametrize("block", ["inverted", "separable"])
def test_without_batch_norm_the_three_convolutions_have_a_bias(block):
    # 8 · 4 + 8, then 8 · 9 + 8, then 6 · 8 + 6.
    pyramid = extra(block, batch_norm=False)
    assert sum(parameter.numel() for parameter in pyramid.parameters()) == 40 + 80 + 54


def level(kernel, stride):
    return ExtraLevel(squeeze=4, channels=16, kernel=kernel, stride=stride, padding=0)


def test_levels_of_321_pixels_fall_from_20_cells_to_1():
    extra = (level(2, 2), level(2, 2), level(3, 1), level(3, 1))
    pyramid = Pyramid([8], extra, block="residual").eval()
    levels = pyramid([torch.rand(1, 8, 20, 20)])
    assert [feature.shape[-1] for feature in levels] == [20, 10, 5, 3, 1]
    assert pyramid.channels == (8, 16, 16, 16, 16)


@pytest.mark.parametrize("size", [(1, 1), (3, 5), (9, 13), (10, 14), (7, 2)])
def test_cells_are_repeated_as_interpolate_does(size):
    height, width = size
    for enlarged in [(2 * height, 2 * width), (2 * height - 1, 2 * width - 1), (31, 17)]:
        coarse = torch.rand(2, 3, height, width)
        expected = F.interpolate(coarse, enlarged, mode="nearest")
        assert torch.equal(repeat_cells(coarse, enlarged), expected)
