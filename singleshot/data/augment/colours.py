"""Changes of colour, each of single pixels (im_transforms.cpp).

They may thus be made after the image was resized: the same up to rounding, at less cost. Hue and
saturation are those of HSV, computed in floats where the original has eight bits.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, UInt8

__all__ = ["ColourChange"]

Planes = Float32[np.ndarray, "3 h w"]  # RGB, 0 to 255


@dataclass(frozen=True, slots=True)
class ColourChange:
    """What is done to the colours of one image; the defaults change nothing."""

    brightness: float = 0.0  # grey levels added
    contrast: float = 1.0  # factor
    saturation: float = 1.0  # factor of S in HSV
    hue: float = 0.0  # degrees added to H in HSV
    contrast_first: bool = True  # before saturation and hue, or after

    def __call__(self, pixels: UInt8[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "h w 3"]:
        """Change RGB pixels; values are cut at 0 and 255 after each step, as originally."""
        if self == ColourChange():
            return pixels
        # NumPy and not PyTorch: images are prepared by threads of ours, one each.
        planes = pixels.transpose(2, 0, 1).astype(np.float32)
        if self.brightness != 0:
            planes = cut(planes + self.brightness)
        if self.contrast_first:
            planes = cut(planes * self.contrast)
        if self.hue != 0:
            planes = with_hue_and_saturation(planes, self.hue, self.saturation)
        elif self.saturation != 1:
            planes = with_saturation(planes, self.saturation)
        if not self.contrast_first:
            planes = cut(planes * self.contrast)
        return np.rint(planes).astype(np.uint8).transpose(1, 2, 0)


def cut(planes: Planes) -> Planes:
    np.clip(planes, 0, 255, out=planes)
    return planes


def with_saturation(planes: Planes, factor: float) -> Planes:
    """Scale S = chroma / value, up to 1; hue and value stay, so all that changes is the chroma."""
    value = planes.max(axis=0)
    changed: Planes = value - (value - planes) * chroma_factor(value, planes.min(axis=0), factor)
    return changed


def with_hue_and_saturation(planes: Planes, degrees: float, factor: float) -> Planes:
    """Turn H, scale S, and back to RGB."""
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
    chroma *= chroma_factor(value, least, factor)
    turned = np.empty_like(planes)
    turned[0] = np.abs(sextant - 3) - 1
    turned[1] = 2 - np.abs(sextant - 2)
    turned[2] = 2 - np.abs(sextant - 4)
    np.clip(turned, 0, 1, out=turned)
    changed: Planes = value - chroma * (1 - turned)
    return changed


def chroma_factor(
    value: Float32[np.ndarray, "h w"], least: Float32[np.ndarray, "h w"], factor: float
) -> Float32[np.ndarray, "h w"]:
    """The factor of S, but no more than makes S equal to 1."""
    largest: Float32[np.ndarray, "h w"] = value / np.maximum(value - least, 1e-6)
    np.minimum(largest, factor, out=largest)
    return largest
