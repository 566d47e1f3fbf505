"""Darknet's networks are built from layers and numbers."""

# Tests singleshot/backbones/darknet.py

import numpy as np
import torch

from singleshot.backbones.darknet import DARKNET19, POOL, DarknetBackbone, conv
from singleshot.backbones.kinds import build_backbone
from singleshot.backbones.settings import DarknetSettings, Route


def test_a_network_needs_no_recipe():
    layers = [conv(8), POOL, conv(16), Route(layers=(-1, -2))]
    backbone = DarknetBackbone(layers, [1, 3]).eval()
    finer, joined = backbone(torch.rand(1, 3, 32, 32))
    assert backbone.channels == (8, 16 + 8)
    assert finer.shape[1:] == (8, 16, 16)
    assert joined.shape[1:] == (24, 16, 16)


def test_a_name_stands_for_its_layers():
    settings = DarknetSettings(name="darknet19", width=0.25)
    torch.manual_seed(0)
    named = DarknetBackbone.from_settings(settings).state_dict()
    torch.manual_seed(0)
    given = DarknetBackbone(DARKNET19, (16, 22), width=0.25).state_dict()
    assert named.keys() == given.keys()
    assert all(torch.equal(named[name], given[name]) for name in named)


def test_numbers_that_are_left_over_are_counted(tmp_path):
    numbers = 8 + 3 * 8 + 8 * 3 * 9  # biases, batch norm, weights
    settings = DarknetSettings(
        name="one", layers=(conv(8),), outputs=(0,), weights=str(tmp_path / "one.conv")
    )
    for more, text in ((0, "5 tensors taken"), (12, "left over: 12 numbers after layer 0")):
        header = np.array([0, 2, 0, 0, 0], np.int32).tobytes()  # the last two: images seen
        values = np.random.default_rng(0).random(numbers + more, np.float32)
        (tmp_path / "one.conv").write_bytes(header + values.tobytes())
        backbone = build_backbone(settings, pretrained=True)
        assert backbone.layers[0].bias.tolist() == values[:8].tolist()
        assert str(backbone.loaded).endswith(text)
