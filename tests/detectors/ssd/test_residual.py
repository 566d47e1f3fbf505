import pytest
import torch
from torch import nn

from singleshot.detectors.ssd.heads import Heads
from singleshot.detectors.ssd.pyramid import Pyramid
from singleshot.detectors.ssd.residual import ResidualBlock
from singleshot.detectors.ssd.settings import ExtraLevel, HeadSettings, PyramidSettings


def level(kernel, stride):
    return ExtraLevel(squeeze=4, channels=16, kernel=kernel, stride=stride, padding=0)


def test_a_block_is_shortcut_plus_residual_and_never_negative(random):
    block = ResidualBlock(6, 4, 16).eval()
    features = torch.randn(2, 6, 5, 7, generator=random)
    expected = (block.shortcut(features) + block.residual(features)).clamp(min=0)
    torch.testing.assert_close(block(features), expected)


def test_shortcut_and_first_convolution_shrink_alike_and_the_rest_keeps_the_grid():
    block = ResidualBlock(6, 4, 16, kernel=2, stride=2)
    convolutions = [module for module in block.modules() if isinstance(module, nn.Conv2d)]
    assert [(c.kernel_size[0], c.stride[0], c.padding[0]) for c in convolutions] == [
        (2, 2, 0),
        (2, 2, 0),
        (3, 1, 1),
        (1, 1, 0),
    ]
    assert [c.out_channels for c in convolutions] == [16, 4, 4, 16]
    assert all(c.bias is None for c in convolutions)


def test_convolutions_begin_within_a_hundredth_and_batch_norm_with_caffes_epsilon():
    block = ResidualBlock(64, 64, 256)
    assert block.residual[2][0].weight.std().item() == pytest.approx(0.01, rel=0.05)
    assert block.shortcut[1].eps == 1e-3


def test_levels_of_321_pixels_fall_from_20_cells_to_1():
    extra = (level(2, 2), level(2, 2), level(3, 1), level(3, 1))
    pyramid = Pyramid([8], PyramidSettings(block="residual", extra=extra)).eval()
    levels = pyramid([torch.rand(1, 8, 20, 20)])
    assert [feature.shape[-1] for feature in levels] == [20, 10, 5, 3, 1]
    assert pyramid.channels == (8, 16, 16, 16, 16)


def test_offsets_and_logits_look_at_one_prediction_module(random):
    heads = Heads([6, 6], [8, 8], 20, HeadSettings(block="residual", squeeze=(2, 3))).eval()
    assert [head.in_channels for head in heads.offsets] == [8, 12]
    assert [head.in_channels for head in heads.logits] == [8, 12]
    features = [torch.randn(1, 6, 3, 3, generator=random) for _ in range(2)]
    offsets, logits = heads(features)
    assert offsets.shape == (1, 2 * 9 * 8, 4)
    assert logits.shape == (1, 2 * 9 * 8, 21)
    shared = heads.prediction[0](features[0])
    expected = heads.offsets[0](shared).permute(0, 2, 3, 1).reshape(1, -1, 4)
    torch.testing.assert_close(offsets[:, : 9 * 8], expected)


def test_predictors_begin_as_caffes_xavier_and_keep_their_bias():
    heads = Heads([6], [8], 20, HeadSettings(block="residual", squeeze=(4,), kernels=(5,)))
    reach = (3 / (16 * 5 * 5)) ** 0.5
    assert heads.logits[0].weight.abs().max().item() == pytest.approx(reach, rel=0.01)
    assert (heads.logits[0].bias == 0).all()


def test_dssd513_has_a_convolution_before_each_predictor():
    heads = Heads([6], [8], 20, HeadSettings(block="residual", squeeze=(4,), between=5))
    between, activation, predictor = heads.offsets[0]
    assert isinstance(activation, nn.ReLU)
    assert between[0].weight.shape == (5, 16, 3, 3)
    assert predictor.weight.shape == (32, 5, 3, 3)
