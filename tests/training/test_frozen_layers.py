"""Frozen convolutions joined with their activation compute what both compute in turn."""

from __future__ import annotations

import copy

import pytest
import torch
from timm.layers import Conv2dSame
from torch import nn

from singleshot.backbones.classifier import ClassifierBackbone
from singleshot.training.frozen_layers import FrozenConvolution, fuse_frozen_layers


class SmallBackbone(ClassifierBackbone):
    """Two convolutions, the first of them frozen, each with an activation in place."""

    def __init__(self, first: nn.Conv2d, activation: nn.Module) -> None:
        first.requires_grad_(requires_grad=False)
        layers = [first, activation, nn.Conv2d(8, 4, 1), nn.ReLU(inplace=True)]
        super().__init__("small", nn.Sequential(*layers))

    def create_whole(self) -> nn.Module:
        return self.body


@pytest.mark.parametrize("activation", [nn.ReLU, nn.ReLU6, nn.Hardswish])
@pytest.mark.parametrize("size", [(32, 32), (33, 20)])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize(("groups", "kernel"), [(1, 1), (1, 3), (8, 3), (8, 5)])
@pytest.mark.parametrize("kind", [nn.Conv2d, Conv2dSame])
def test_outputs_are_those_of_both_layers(  # noqa: PLR0917
    kind, groups, kernel, stride, size, activation
):
    torch.manual_seed(0)
    plain = kind(8 if groups > 1 else 3, 8, kernel, stride, groups=groups)
    images = 3 * torch.randn(2, plain.in_channels, *size)
    images = images.to(memory_format=torch.channels_last)
    fused = FrozenConvolution(plain, activation(inplace=True))
    with torch.no_grad():
        expected = activation()(plain(images))
        torch.testing.assert_close(fused(images), expected)
        torch.testing.assert_close(fused(images.contiguous()), expected)
    # Where a gradient is needed, there is one.
    images.requires_grad_()
    fused(images).sum().backward()
    (expected,) = torch.autograd.grad(activation()(plain(images)).sum(), images)
    torch.testing.assert_close(images.grad, expected)


def test_frozen_layers_alone_are_joined():
    backbone = SmallBackbone(nn.Conv2d(3, 8, 3, 2, padding=1), nn.ReLU6(inplace=True))
    before = dict(backbone.state_dict(keep_vars=True))
    plain = copy.deepcopy(backbone)
    fuse_frozen_layers(nn.Sequential(backbone))
    assert isinstance(backbone.body[0], FrozenConvolution)
    assert isinstance(backbone.body[1], nn.Identity)
    assert type(backbone.body[2]) is nn.Conv2d
    after = backbone.state_dict(keep_vars=True)
    assert list(after) == list(before)
    assert all(after[name] is tensor for name, tensor in before.items())
    images = torch.rand(2, 3, 16, 16)
    torch.testing.assert_close(backbone.body(images), plain.body(images))


def test_an_activation_beside_its_input_stays():
    backbone = SmallBackbone(nn.Conv2d(3, 8, 3), nn.ReLU6())
    fuse_frozen_layers(backbone)
    assert type(backbone.body[0]) is nn.Conv2d


class ResidualBlock(nn.Module):
    """Two convolutions and a sum in place, as in ResNets: each ends with an activation."""

    def __init__(self, activations: list[nn.Module]) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList([nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1)])
        self.activations = nn.ModuleList(activations)
        self.requires_grad_(requires_grad=False)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        features = self.activations[0](self.convolutions[0](images))
        features = self.convolutions[1](features)
        features += images
        return self.activations[-1](features)


@pytest.mark.parametrize("number", [1, 2])
def test_an_activation_after_a_sum_or_of_several_layers_stays(number):
    torch.manual_seed(0)
    body = ResidualBlock([nn.ReLU(inplace=True) for _ in range(number)])
    backbone = SmallBackbone(nn.Conv2d(3, 8, 1), nn.ReLU())
    backbone.body = body
    images = torch.randn(2, 3, 16, 16)
    expected = body(images)
    fuse_frozen_layers(backbone)
    torch.testing.assert_close(body(images), expected)
    joined = [isinstance(one, FrozenConvolution) for one in body.convolutions]
    assert joined == [number == 2, False]
