import pytest
import torch
from torch import nn

from singleshot.exporting.quantization.sensitivity import (
    group_layers,
    rank_layers,
    relative_error,
)


class TwoHeads(nn.Module):
    """A backbone of two blocks and two heads."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.blocks = nn.Sequential(*(self.block(width) for width in (3, 8, 8)))
        self.offsets, self.logits = nn.Conv2d(8, 4, 1), nn.Conv2d(8, 6, 1)
        self.requires_grad_(False)

    @staticmethod
    def block(width):
        return nn.Sequential(nn.Conv2d(width, 8, 3, padding=1), nn.ReLU6(), nn.Conv2d(8, 8, 1))

    def forward(self, images):
        features = self.blocks(images)
        return self.offsets(features), self.logits(features)


def test_layers_of_a_block_are_one_group():
    groups = group_layers(TwoHeads())
    assert groups["blocks.1"] == ("blocks.1.0", "blocks.1.2")
    assert list(groups) == ["blocks.0", "blocks.1", "blocks.2", "offsets", "logits"]


def test_the_layer_with_one_wide_channel_comes_first(random):
    network, images = TwoHeads(), torch.randn(2, 3, 16, 16, generator=random)
    # Its feature map of eight channels has one range: the others get a few steps of it.
    network.blocks[1][2].weight[0] *= 1000
    network.blocks[2][0].weight[:, 0] /= 1000
    ranked = rank_layers(network, images)
    assert ranked[0].name in {"blocks.1", "blocks.2"}
    assert ranked[0].error > 3 * ranked[2].error


def test_a_head_changes_its_own_outputs_alone(random):
    images = torch.randn(2, 3, 8, 8, generator=random)
    ranked = {one.name: one for one in rank_layers(TwoHeads(), images)}
    assert ranked["offsets"].logits == 0
    assert ranked["offsets"].offsets > 0
    assert sum(one.share for one in ranked.values()) == pytest.approx(1)


def test_the_relative_error_is_one_of_a_missing_output():
    reference = torch.tensor([3.0, -4.0])
    assert relative_error(torch.zeros(2), reference) == pytest.approx(1)
    assert relative_error(reference, reference) == 0
