"""A faster convolution has the parameters and the padding of the plain one."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from timm.layers import Conv2dSame
from torch import nn

from singleshot.training.convolutions import (
    FasterConvolution,
    Padding,
    is_plain,
    with_symmetric_padding,
)


def test_the_parameters_are_the_same_tensors():
    plain = nn.Conv2d(4, 8, 3, groups=2).eval()
    faster = FasterConvolution(plain)
    assert faster.weight is plain.weight
    assert faster.bias is plain.bias
    assert not faster.training
    assert FasterConvolution(nn.Conv2d(4, 8, 3, bias=False)).bias is None


@pytest.mark.parametrize(
    ("plain", "size", "padding"),
    [
        (nn.Conv2d(1, 1, (3, 5), padding=(1, 2)), (8, 8), Padding(1, 1, 2, 2)),
        (Conv2dSame(1, 1, 3, 2), (8, 9), Padding(0, 1, 1, 1)),
        (Conv2dSame(1, 1, 5, 1), (8, 9), Padding(2, 2, 2, 2)),
    ],
)
def test_padding_is_that_of_the_plain_layer(plain, size, padding):
    images = torch.rand(1, 1, *size)
    assert FasterConvolution(plain).padding_of(images) == padding
    weight, sides = with_symmetric_padding(plain.weight, padding)
    found = F.conv2d(images, weight, plain.bias, plain.stride, sides)
    torch.testing.assert_close(found, plain(images))


def test_plain_convolutions_have_zeros_around_and_no_gaps():
    assert is_plain(nn.Conv2d(1, 1, 3))
    assert is_plain(Conv2dSame(1, 1, 3))
    assert not is_plain(nn.Conv2d(1, 1, 3, dilation=2))
    assert not is_plain(nn.Conv2d(1, 1, 3, padding="same"))
    assert not is_plain(nn.Conv2d(1, 1, 3, padding_mode="reflect"))
    assert not is_plain(FasterConvolution(nn.Conv2d(1, 1, 3)))
    assert not is_plain(nn.ReLU())
