"""Photometric distortion: which change of colour (`ApplyDistort`, im_transforms.cpp)."""

from dataclasses import dataclass, replace

import torch

from singleshot.data.augment.chance import happens, uniform
from singleshot.data.augment.colours import ColourChange
from singleshot.data.augment.settings import PhotometricSettings
from singleshot.data.augment.view import View

__all__ = ["DistortColours"]


@dataclass(frozen=True, slots=True)
class DistortColours:
    """Each of the four changes happens with its probability; contrast comes second or last."""

    settings: PhotometricSettings

    def __call__(self, view: View, random: torch.Generator) -> View:
        """Choose the change."""
        limits = self.settings

        def sometimes(low: float, high: float, otherwise: float) -> float:
            value = uniform(low, high, random)
            return value if happens(limits.probability, random) else otherwise

        change = ColourChange(
            brightness=sometimes(-limits.brightness, limits.brightness, otherwise=0),
            contrast=sometimes(*limits.contrast, otherwise=1),
            saturation=sometimes(*limits.saturation, otherwise=1),
            hue=sometimes(-limits.hue, limits.hue, otherwise=0),
            contrast_first=happens(0.5, random),
        )
        return replace(view, colours=change)
