"""Extra levels that are MobileNetV2's inverted residuals."""

import pytest
import torch

from singleshot.detectors.ssd.pyramid import Pyramid
from singleshot.detectors.ssd.settings import ExtraLevel, PyramidSettings

LEVEL = ExtraLevel(squeeze=8, channels=6)


def extra(block, *, batch_norm=True, activation="relu6"):
    torch.manual_seed(0)
    settings = PyramidSettings(
        block=block, extra=(LEVEL,), batch_norm=batch_norm, activation=activation
    )
    return Pyramid([4], settings).eval()


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
