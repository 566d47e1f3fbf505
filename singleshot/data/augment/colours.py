"""Photometric distortion (`ApplyDistort`, im_transforms.cpp, with the values of ssd_pascal.py).

Every change is of single pixels, so it may be made after the picture was resized: the same up to
rounding, at a fraction of the cost.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image

from singleshot.data.augment.chance import happens, uniform
from singleshot.recipes.schema import PhotometricSettings

if TYPE_CHECKING:
    from singleshot.data.augment.view import View

__all__ = ["ColourChange", "DistortColours"]

VALUES = np.arange(256.0)


@dataclass(frozen=True, slots=True)
class ColourChange:
    """What is done to the colours of one picture; the defaults change nothing."""

    brightness: float = 0.0  # grey levels added
    contrast: float = 1.0  # factor
    saturation: float = 1.0  # factor of S in HSV
    hue: float = 0.0  # degrees added to H in HSV
    contrast_first: bool = True  # before saturation and hue, or after

    def __call__(self, image: Image.Image) -> Image.Image:
        """Change an RGB picture; values are cut at 0 and 255 after each step, as originally."""
        before = self.contrast if self.contrast_first else 1
        if self.brightness != 0 or before != 1:
            image = by_table(image, lambda values: before * cut(values + self.brightness))
        if self.saturation != 1 or self.hue != 0:
            image = self.in_hsv(image)
        if self.contrast != before:
            image = by_table(image, lambda values: self.contrast * values)
        return image

    def in_hsv(self, image: Image.Image) -> Image.Image:
        """Saturation and hue."""
        hue, saturation, value = image.convert("HSV").split()
        # Pillow's circle has 256 steps.
        turn = round(self.hue / 360 * 256)
        turned = by_table(hue, lambda values: (values + turn) % 256)
        scaled = by_table(saturation, lambda values: self.saturation * values)
        return Image.merge("HSV", (turned, scaled, value)).convert("RGB")


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


def by_table(
    image: Image.Image, change: Callable[[Float[np.ndarray, "256"]], Float[np.ndarray, "256"]]
) -> Image.Image:
    """Change each value by a table of all 256."""
    table = np.rint(cut(change(VALUES))).astype(int).tolist()
    return image.point(table * len(image.getbands()))


def cut(values: Float[np.ndarray, "256"]) -> Float[np.ndarray, "256"]:
    return np.clip(values, 0, 255)
