"""Devices to compute on: the CPU, a GPU."""

import torch

from singleshot.errors import SingleshotError
from singleshot.options import Device, check_device

__all__ = ["best_device", "choose_device"]


def best_device() -> torch.device:
    """Choose the accelerator if there is one, else the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def choose_device(device: Device = "auto") -> torch.device:
    """Choose a device by its name; `auto` is the accelerator if there is one, else the CPU.

    Raises SingleshotError for an unknown name, or a device that this machine does not have.
    """
    check_device(device)
    if str(device) == "auto":
        return best_device()
    chosen = torch.device(device)
    if chosen.type == "cuda" and (chosen.index or 0) >= (number := torch.cuda.device_count()):
        there = f"there are {number} of them" if number else "PyTorch sees none here"
        raise SingleshotError(
            f"device: {chosen}: there is no such CUDA device, {there} (PyTorch "
            f"{torch.__version__}); use cpu, or leave it out"
        )
    if chosen.type == "mps" and not torch.backends.mps.is_available():
        raise SingleshotError("device: mps: there is no Apple GPU here; use cpu, or leave it out")
    return chosen
