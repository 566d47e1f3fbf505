"""Darknet's networks are built from layers and numbers."""

# Tests singleshot/backbones/darknet.py

import torch

from singleshot.backbones.darknet import DARKNET19, POOL, DarknetBackbone, conv
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
