"""Activations without copies have the outputs and gradients of plain ones."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from singleshot.training.activations import Relu6, avoid_copies


def learn(activation: nn.Module) -> tuple[torch.Tensor, torch.Tensor]:
    values = torch.tensor([-4.0, -3, -1, 0, 1, 3, 5, 6, 7]).reshape(1, 1, 3, 3).requires_grad_()
    outputs = activation(2 * values - values)
    (outputs**2).sum().backward()
    return outputs.detach(), values.grad


@pytest.mark.parametrize("kind", [nn.ReLU6, nn.Hardswish])
def test_outputs_and_gradients_are_those_of_the_plain_activation(kind):
    network = nn.Sequential(kind(inplace=True))
    avoid_copies(network)
    for found, expected in zip(learn(network), learn(kind()), strict=True):
        assert torch.equal(found, expected)


def test_relu6_changes_its_input_also_without_gradients():
    images = torch.full((1, 1, 2, 2), 7.0)
    with torch.no_grad():
        assert Relu6()(images) is images
    assert images.eq(6).all()


def test_activations_beside_their_input_stay():
    network = nn.Sequential(nn.ReLU6(), nn.ReLU(inplace=True))
    avoid_copies(network)
    assert type(network[0]) is nn.ReLU6
    assert network[1].inplace


def test_what_is_needed_later_is_not_changed_unnoticed():
    values = torch.rand(1, 1, 2, 2, requires_grad=True)
    needed = values.exp()  # its gradient is made of its output
    Relu6()(needed).sum()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        needed.sum().backward()
