"""Pixels as a backbone expects them."""

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

__all__ = ["Pixels"]


class Pixels(nn.Module):
    """Subtracts the mean and divides by the standard deviation; a module, so that it is timed."""

    mean: Float[Tensor, "3 1 1"]
    std: Float[Tensor, "3 1 1"]

    def __init__(self, mean: tuple[float, float, float], std: tuple[float, float, float]) -> None:
        """Both are of RGB values from 0 to 255."""
        super().__init__()
        for name, values in (("mean", mean), ("std", std)):
            # They follow from the recipe: a checkpoint need not hold them.
            self.register_buffer(name, torch.tensor(values)[:, None, None], persistent=False)

    def forward(
        self, images: UInt8[Tensor, "b 3 h w"] | Float[Tensor, "b 3 h w"]
    ) -> Float[Tensor, "b 3 h w"]:
        """Normalise RGB images with values from 0 to 255, on the device of the network."""
        normalised = (images.to(self.mean.device) - self.mean) / self.std
        return normalised.contiguous(memory_format=torch.channels_last)
