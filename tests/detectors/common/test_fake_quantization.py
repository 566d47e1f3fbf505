"""Rounding to 8 bits: the values, the ranges and the gradients."""

import pytest
import torch

from singleshot.detectors.common.fake_quantization import (
    ActivationQuantizer,
    WeightQuantizer,
    observing_ranges,
)


def test_each_output_channel_has_its_own_255_steps():
    weight = torch.randn(4, 8, 3, 3) * torch.tensor([1e-3, 1, 30, 0])[:, None, None, None]
    scale = weight.abs().amax(dim=(1, 2, 3)) / 127
    rounded = WeightQuantizer(per_channel=True)(weight)
    steps = (rounded[:3] / scale[:3, None, None, None]).double()
    torch.testing.assert_close(steps, steps.round(), atol=1e-4, rtol=0)
    assert steps.round().abs().amax(dim=(1, 2, 3)).tolist() == [127, 127, 127]
    assert ((rounded - weight).abs() <= scale[:, None, None, None] * 0.5001).all()
    assert not rounded[3].any()


def test_with_one_scale_small_channels_vanish():
    weight = torch.ones(2, 1, 1, 1) * torch.tensor([1e-3, 1])[:, None, None, None]
    assert WeightQuantizer(per_channel=False)(weight).flatten().tolist() == [0, 1]


def test_the_gradient_of_weights_passes_unchanged():
    weight = torch.randn(4, 2, 3, 3, requires_grad=True)
    factors = torch.randn_like(weight)
    (WeightQuantizer(per_channel=True)(weight) * factors).sum().backward()
    torch.testing.assert_close(weight.grad, factors)


@pytest.mark.parametrize("symmetric", [False, True])
def test_values_beyond_the_range_are_clipped_and_have_no_gradient(symmetric):
    quantizer = ActivationQuantizer(symmetric=symmetric)
    quantizer(torch.tensor([-1.0, 3.0]))
    quantizer.eval()
    values = torch.tensor([-9.0, 0.0, 1.0, 9.0], requires_grad=True)
    rounded = quantizer(values)
    rounded.sum().backward()
    assert values.grad.tolist() == [0, 1, 1, 0]
    low = -3 * 128 / 127 if symmetric else -1.0
    torch.testing.assert_close(rounded.detach(), torch.tensor([low, 0, 1, 3]), atol=0.02, rtol=0)
    assert rounded[1] == 0


def test_the_range_is_the_mean_of_the_first_and_then_a_moving_average():
    quantizer = ActivationQuantizer(symmetric=False)
    for high in (1.0, 2.0, 6.0):
        quantizer(torch.tensor([0.5, high]))
    assert quantizer.range.tolist() == [0, pytest.approx(3)]  # 0 is always in it
    quantizer.num_observed.fill_(1_000_000)
    quantizer(torch.tensor([-1.0, 13.0]))
    assert quantizer.range.tolist() == pytest.approx([-0.01, 3.1])


def test_in_evaluation_mode_the_range_stays_unless_it_is_observed():
    network = torch.nn.Sequential(ActivationQuantizer(symmetric=False)).eval()
    network(torch.tensor([5.0]))
    assert network[0].range.tolist() == [0, 0]
    with observing_ranges(network):
        network(torch.tensor([5.0]))
    network(torch.tensor([50.0]))
    assert network[0].range.tolist() == [0, 5]
