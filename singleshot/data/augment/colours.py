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

Planes = Float32[np.ndarray, "3 pixels"]  # RGB, 0 to 255

TINY = np.float32(1e-6)
# The arrays of so many pixels, about ten of 64 kB, stay in a core's own cache: of whole images the
# change of hue took nearly three times as long.
PIXELS_AT_ONCE = 1 << 14


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
        if self.hue == 0 and self.saturation == 1:
            return np.take(self._levels(), pixels)
        # NumPy and not PyTorch: images are prepared by threads of ours, one each.
        flat = pixels.reshape(-1, 3)
        changed = np.empty_like(flat)
        for start in range(0, len(flat), PIXELS_AT_ONCE):
            part = slice(start, start + PIXELS_AT_ONCE)
            planes = flat[part].T.astype(np.float32, order="C")
            levels = np.rint(self._change(planes), out=planes).astype(np.uint8)
            for channel in range(3):  # twice as fast as the transposed array at once
                changed[part, channel] = levels[channel]
        return changed.reshape(pixels.shape)

    def _levels(self) -> UInt8[np.ndarray, " 256"]:
        """Tabulate the change of brightness and contrast alone: of each grey level by itself."""
        levels = np.arange(256, dtype=np.float32)
        changed: np.ndarray = np.rint(self._change(levels)).astype(np.uint8)
        return changed

    def _change(self, planes: Float32[np.ndarray, "..."]) -> Float32[np.ndarray, "..."]:
        """Change planes in place, or grey levels where hue and saturation stay."""
        if self.brightness != 0:
            planes += np.float32(self.brightness)
            _clip(planes)
        if self.contrast_first:
            self._scale_contrast(planes)
        if self.hue != 0:
            _change_hue_and_saturation(planes, self.hue, self.saturation)
        elif self.saturation != 1:
            _change_saturation(planes, self.saturation)
        if not self.contrast_first:
            self._scale_contrast(planes)
        return planes

    def _scale_contrast(self, planes: Float32[np.ndarray, "..."]) -> None:
        if self.contrast != 1:
            planes *= np.float32(self.contrast)
            _clip(planes)


def _clip(planes: Float32[np.ndarray, "..."]) -> None:
    np.clip(planes, 0, 255, out=planes)


def _change_saturation(planes: Planes, factor: float) -> None:
    """Scale S = chroma / value, up to 1; hue and value stay, only the chroma changes."""
    value, least = _extremes(planes)
    np.subtract(value, planes, out=planes)
    planes *= _chroma_factor(value, value - least, factor)
    np.subtract(value, planes, out=planes)


def _change_hue_and_saturation(planes: Planes, degrees: float, factor: float) -> None:
    """Rotate H and scale S of RGB planes."""
    red, green, blue = planes
    value, least = _extremes(planes)
    chroma = value - least
    inverse = 1 / np.maximum(chroma, TINY)
    sextant = 4 + (red - green) * inverse
    np.copyto(sextant, 2 + (blue - red) * inverse, where=value == green)
    np.copyto(sextant, (green - blue) * inverse, where=value == red)
    sextant += np.float32(degrees / 60)
    sextant -= 6 * np.floor(sextant / 6)
    if factor != 1:
        chroma *= _chroma_factor(value, chroma, factor)
    # From here the planes hold how far each colour is below the value, in parts of the chroma.
    for plane, centre in zip(planes, (3, 2, 4), strict=True):
        np.abs(np.subtract(sextant, centre, out=plane), out=plane)
    np.subtract(2, planes[0], out=planes[0])
    planes[1:] -= 1
    np.clip(planes, 0, 1, out=planes)
    planes *= chroma
    np.subtract(value, planes, out=planes)


def _extremes(
    planes: Planes,
) -> tuple[Float32[np.ndarray, " pixels"], Float32[np.ndarray, " pixels"]]:
    """Compute the largest and the least of the three planes; ten times as fast as `max(axis=0)`."""
    red, green, blue = planes
    value: np.ndarray = np.maximum(np.maximum(red, green), blue)
    least: np.ndarray = np.minimum(np.minimum(red, green), blue)
    return value, least


def _chroma_factor(
    value: Float32[np.ndarray, " pixels"], chroma: Float32[np.ndarray, " pixels"], factor: float
) -> Float32[np.ndarray, " pixels"]:
    """Limit the factor of S so that S is at most 1."""
    largest: Float32[np.ndarray, " pixels"] = value / np.maximum(chroma, TINY)
    np.minimum(largest, np.float32(factor), out=largest)
    return largest
