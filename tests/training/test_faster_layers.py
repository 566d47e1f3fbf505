"""Faster layers are used on processors in float32 alone."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from singleshot.training.depthwise import WideDepthwise
from singleshot.training.faster_layers import use_faster_layers


@pytest.mark.parametrize(
    ("device", "precision", "faster"),
    [("cpu", "float32", True), ("cpu", "bfloat16", False), ("cuda", "float32", False)],
)
def test_processors_in_float32_get_faster_layers(device, precision, faster):
    network = nn.Sequential(nn.Conv2d(4, 4, 5, groups=4))
    use_faster_layers(network, torch.device(device), precision)
    assert isinstance(network[0], WideDepthwise) == faster
