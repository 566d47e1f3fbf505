"""Batch norm in several processes is worth what it is on the joined batch."""

from __future__ import annotations

import copy

import pytest
import torch
from groups import run_group
from timm.layers import BatchNormAct2d
from torch import nn

from singleshot.training.batch_norm import SynchronisedBatchNorm, synchronise_batch_norms

SHARES = (1, 4, 2)  # images of each process
CHANNELS = 5
KINDS = ("plain", "with activation")


def network(kind: str) -> nn.Module:
    """A convolution and a batch norm with weights that are not their first ones."""
    torch.manual_seed(1)
    norm = BatchNormAct2d(CHANNELS) if kind == "with activation" else nn.BatchNorm2d(CHANNELS)
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    return nn.Sequential(nn.Conv2d(3, CHANNELS, 3), norm).to(memory_format=torch.channels_last)


def random_images() -> torch.Tensor:
    """Each process' images have another brightness."""
    random = torch.Generator().manual_seed(0)
    offsets = torch.repeat_interleave(torch.tensor([0.0, 3, -2]), torch.tensor(SHARES))
    noise = torch.randn(sum(SHARES), 3, 8, 6, generator=random)
    return (noise + offsets[:, None, None, None]).to(memory_format=torch.channels_last)


def learn(model: nn.Module, images: torch.Tensor) -> dict[str, torch.Tensor]:
    """Two steps' worth of outputs and gradients; a loss that looks at every value."""
    images = images.clone().requires_grad_()
    for _ in range(2):
        outputs = model(images)
        (outputs.sin() + outputs**2).sum().backward()
    found = {f"{name}.grad": weight.grad for name, weight in model.named_parameters()}
    return {"outputs": outputs.detach(), "images": images.grad, **found, **model.state_dict()}


def learn_share(rank: int) -> dict[str, dict[str, torch.Tensor]]:
    found = {}
    for kind in KINDS:
        model = network(kind)
        synchronise_batch_norms(model, torch.device("cpu"))
        assert isinstance(model[1], SynchronisedBatchNorm)
        found[kind] = learn(model, random_images().split(SHARES)[rank])
    return found


@pytest.fixture(scope="module")
def shares():
    """What three processes find, each in its share of the images."""
    return run_group(learn_share, len(SHARES))


@pytest.mark.parametrize("kind", KINDS)
def test_processes_with_unequal_shares_compute_what_one_does_on_the_joined_batch(kind, shares):
    model = network(kind)
    whole = learn(model, random_images())
    parts = [share[kind] for share in shares]
    for name in ("outputs", "images"):
        joined = torch.cat([part[name] for part in parts])
        torch.testing.assert_close(joined, whole[name], rtol=1e-4, atol=1e-4)
    for name, _ in model.named_parameters():
        joined = torch.stack([part[f"{name}.grad"] for part in parts]).sum(0)
        torch.testing.assert_close(joined, whole[f"{name}.grad"], rtol=1e-4, atol=1e-4)
    for part in parts:
        torch.testing.assert_close(part["1.running_mean"], whole["1.running_mean"])
        torch.testing.assert_close(part["1.running_var"], whole["1.running_var"])
        assert part["1.num_batches_tracked"] == 2


def test_weights_keep_their_names_and_evaluation_needs_no_other_process():
    plain = network("with activation")
    model = copy.deepcopy(plain)
    synchronise_batch_norms(model, torch.device("cpu"))
    assert list(model.state_dict()) == list(plain.state_dict())
    images = random_images()
    assert torch.equal(model.eval()(images), plain.eval()(images))
