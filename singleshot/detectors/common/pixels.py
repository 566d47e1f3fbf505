"""Pixels as a backbone expects them."""

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from singleshot.detectors.common.settings import PixelSettings

__all__ = ["Pixels"]


class Pixels(nn.Module):
    """Takes the mean away and divides by the deviation; a module, so that it can be timed."""

    mean: Float[Tensor, "3 1 1"]
    std: Float[Tensor, "3 1 1"]

    def __init__(self, settings: PixelSettings) -> None:
        super().__init__()
        for name, values in (("mean", settings.mean), ("std", settings.std)):
            # They follow from the recipe: a checkpoint need not hold them.
            self.register_buffer(name, torch.tensor(values)[:, None, None], persistent=False)

    def forward(
        self, images: UInt8[Tensor, "b 3 h w"] | Float[Tensor, "b 3 h w"]
    ) -> Float[Tensor, "b 3 h w"]:
        """RGB images with values from 0 to 255."""
        normalised = (images - self.mean) / self.std
        return normalised.contiguous(memory_format=torch.channels_last)
