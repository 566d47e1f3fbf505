"""Depthwise convolutions with wide kernels have the outputs and gradients of plain ones."""

from __future__ import annotations

import copy

import pytest
import torch
from timm.layers import Conv2dSame
from torch import nn

from singleshot.training.depthwise import WideDepthwise, split_wide_gradients

CHANNELS = 6


def learn(network: nn.Module, images: torch.Tensor) -> dict[str, torch.Tensor]:
    images = images.clone().requires_grad_()
    outputs = network(images)
    (outputs.sin() + outputs**2).sum().backward()
    gradients = {f"{name}.grad": weight.grad for name, weight in network.named_parameters()}
    return {"outputs": outputs.detach(), "images": images.grad, **gradients}


@pytest.mark.parametrize("kind", [nn.Conv2d, Conv2dSame])
@pytest.mark.parametrize("padding", [0, 1, 2, (3, 2)])
@pytest.mark.parametrize("size", [(11, 12), (13, 7), (8, 16)])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("kernel", [4, 5, 6, (3, 5), (7, 5)])
def test_gradients_are_those_of_the_plain_layer(kind, padding, size, stride, kernel):
    torch.manual_seed(0)
    options = {} if kind is Conv2dSame else {"padding": padding}
    plain = kind(CHANNELS, CHANNELS, kernel, stride, groups=CHANNELS, **options).double()
    images = torch.randn(3, CHANNELS, *size).double().to(memory_format=torch.channels_last)
    split = nn.Sequential(copy.deepcopy(plain))
    split_wide_gradients(split)
    assert isinstance(split[0], WideDepthwise)
    expected = learn(nn.Sequential(plain), images)
    for name, found in learn(split, images).items():
        torch.testing.assert_close(found, expected[name])


def test_the_same_tensors_stay_under_the_same_names():
    plain = nn.Sequential(nn.Conv2d(4, 4, 5, groups=4), nn.BatchNorm2d(4)).eval()
    before = dict(plain.state_dict(keep_vars=True))
    split_wide_gradients(plain)
    after = plain.state_dict(keep_vars=True)
    assert list(after) == list(before)
    assert all(after[name] is tensor for name, tensor in before.items())
    assert not plain[0].training


@pytest.mark.parametrize(
    "kept",
    [
        nn.Conv2d(4, 4, 3, groups=4),
        nn.Conv2d(4, 4, 7, groups=4),
        nn.Conv2d(4, 8, 5, groups=4),
        nn.Conv2d(4, 4, 5),
        nn.Conv2d(4, 4, 5, dilation=2, groups=4),
        nn.Conv2d(4, 4, 5, padding="same", groups=4),
        nn.Conv2d(4, 4, 5, padding_mode="reflect", groups=4),
    ],
)
def test_other_convolutions_stay(kept):
    network = nn.Sequential(kept)
    split_wide_gradients(network)
    assert network[0] is kept


def test_a_frozen_weight_gets_no_gradient():
    network = nn.Sequential(nn.Conv2d(4, 4, 5, groups=4))
    network[0].weight.requires_grad_(requires_grad=False)
    split_wide_gradients(network)
    images = torch.randn(2, 4, 9, 9, requires_grad=True)
    network(images).sum().backward()
    assert network[0].weight.grad is None
    assert network[0].bias.grad is not None
    assert images.grad is not None
