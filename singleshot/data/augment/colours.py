"""Photometric distortion (`ApplyDistort`, im_transforms.cpp): brightness, contrast, colours.

Each change is one of single pixels, and so may be made after the image is resized: the result is
the same up to rounding, at less cost. Hue and saturation are those of HSV, computed in floats where
the original has eight bits.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float32, UInt8

from singleshot.data.augment.settings import PhotometricSettings
from singleshot.data.augment.view import View, happens, uniform

__all__ = ["ColourChange", "DistortColours"]

Planes = Float32[np.ndarray, "3 h w"]  # RGB, 0 to 255


@dataclass(frozen=True, slots=True)
class DistortColours:
    """Draws a change of colours: each part with its probability, contrast second or last."""

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
        return replace(view, recolour=change)


@dataclass(frozen=True, slots=True)
class ColourChange:
    """The change of colours of one image; the defaults change nothing."""

    brightness: float = 0.0  # grey levels added
    contrast: float = 1.0  # factor
    saturation: float = 1.0  # factor of S in HSV
    hue: float = 0.0  # degrees added to H in HSV
    contrast_first: bool = True  # before saturation and hue, or after

    def __call__(self, pixels: UInt8[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "h w 3"]:
        """Change RGB pixels; values are clipped at 0 and 255 after each step, as originally."""
        if self == ColourChange():
            return pixels
        # NumPy and not PyTorch: images are prepared by threads of ours, one each.
        planes = pixels.transpose(2, 0, 1).astype(np.float32)
        if self.brightness != 0:
            planes = _clip(planes + self.brightness)
        if self.contrast_first:
            planes = _clip(planes * self.contrast)
        if self.hue != 0:
            planes = _with_hue_and_saturation(planes, self.hue, self.saturation)
        elif self.saturation != 1:
            planes = _with_saturation(planes, self.saturation)
        if not self.contrast_first:
            planes = _clip(planes * self.contrast)
        changed: np.ndarray = np.rint(planes).astype(np.uint8).transpose(1, 2, 0)
        return changed


def _clip(planes: Planes) -> Planes:
    np.clip(planes, 0, 255, out=planes)
    return planes


def _with_saturation(planes: Planes, factor: float) -> Planes:
    """Scale S = chroma / value, up to 1; hue and value stay, only the chroma changes."""
    value = planes.max(axis=0)
    changed: Planes = value - (value - planes) * _chroma_factor(value, planes.min(axis=0), factor)
    return changed


def _with_hue_and_saturation(planes: Planes, degrees: float, factor: float) -> Planes:
    """Rotate H and scale S of RGB planes."""
    red, green, blue = planes
    value, least = planes.max(axis=0), planes.min(axis=0)
    chroma = value - least
    inverse = 1 / np.maximum(chroma, 1e-6)
    sextant = np.where(
        value == red,
        (green - blue) * inverse,
        np.where(value == green, 2 + (blue - red) * inverse, 4 + (red - green) * inverse),
    )
    sextant += np.float32(degrees / 60)
    sextant -= 6 * np.floor(sextant / 6)
    chroma *= _chroma_factor(value, least, factor)
    turned = np.empty_like(planes)
    turned[0] = np.abs(sextant - 3) - 1
    turned[1] = 2 - np.abs(sextant - 2)
    turned[2] = 2 - np.abs(sextant - 4)
    np.clip(turned, 0, 1, out=turned)
    changed: Planes = value - chroma * (1 - turned)
    return changed


def _chroma_factor(
    value: Float32[np.ndarray, "h w"], least: Float32[np.ndarray, "h w"], factor: float
) -> Float32[np.ndarray, "h w"]:
    """Limit the factor of S so that S is at most 1."""
    largest: Float32[np.ndarray, "h w"] = value / np.maximum(value - least, 1e-6)
    np.minimum(largest, factor, out=largest)
    return largest
