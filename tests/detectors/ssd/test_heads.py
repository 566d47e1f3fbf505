import pytest
import torch
from torch import nn

from singleshot.detectors.ssd.heads import Heads, PredictionModules


def test_offsets_and_logits_look_at_one_prediction_module(random):
    heads = Heads([6, 6], [8, 8], 20, block=PredictionModules((2, 3))).eval()
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
    heads = Heads([6], [8], 20, block=PredictionModules((4,)), kernels=(5,))
    reach = (3 / (16 * 5 * 5)) ** 0.5
    assert heads.logits[0].weight.abs().max().item() == pytest.approx(reach, rel=0.01)
    assert (heads.logits[0].bias == 0).all()


def test_dssd513_has_a_convolution_before_each_predictor():
    heads = Heads([6], [8], 20, block=PredictionModules((4,), between=5))
    between, activation, predictor = heads.offsets[0]
    assert isinstance(activation, nn.ReLU)
    assert between[0].weight.shape == (5, 16, 3, 3)
    assert predictor.weight.shape == (32, 5, 3, 3)
