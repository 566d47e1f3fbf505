"""Devices are named as in PyTorch; one that this machine does not have is refused."""

from __future__ import annotations

import pytest
import torch

from singleshot.errors import SingleshotError
from singleshot.models.devices import best_device, choose_device


@pytest.fixture(autouse=True)
def one_gpu(monkeypatch):
    """A machine with a single CUDA device."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)


def test_the_default_is_the_accelerator_if_there_is_one(monkeypatch):
    assert choose_device() == choose_device("auto") == torch.device("cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert best_device() == torch.device("cpu")
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert best_device() == torch.device("mps")


@pytest.mark.parametrize("device", ["cpu", "cuda", "cuda:0", torch.device("cuda", 0)])
def test_a_device_that_there_is_is_chosen(device):
    assert choose_device(device) == torch.device(device)


@pytest.mark.parametrize(
    ("device", "message"),
    [
        ("gpu", "device: 'gpu' is no device; did you mean cuda?"),
        ("GPU", "did you mean cuda?"),
        (1, "device: 1 is no device; did you mean cuda:1?"),
        ("tpu", "device: 'tpu' is no device; expected auto, cpu, cuda"),
        (None, "device: None is no device; expected auto"),
        ("cuda:1", "device: cuda:1: there is no such CUDA device, there are 1 of them"),
        ("mps", "device: mps: there is no Apple GPU here; use cpu"),
    ],
)
def test_other_devices_are_refused(device, message):
    with pytest.raises(SingleshotError) as refusal:
        choose_device(device)
    assert str(refusal.value).startswith(message) or message in str(refusal.value)


def test_cuda_without_a_gpu_is_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    with pytest.raises(SingleshotError, match=r"PyTorch sees none here .* use cpu, or leave it"):
        choose_device("cuda")
