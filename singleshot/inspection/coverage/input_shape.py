"""The height and width of the input that distort the images of a data set least."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64, Int

__all__ = ["distortion", "propose_input"]

MULTIPLE = 32  # pixels; the strides of most backbones divide it
LARGEST_SIDE = 4  # times the smaller one
SAME_PIXELS = 0.05  # relative difference of the number of pixels that is allowed
LEAST_GAIN = 1.4  # of the mean distortion; images of 4 : 3 on a square input are usual


def distortion(sizes: Int[np.ndarray, "images 2"], size: tuple[int, int]) -> float:
    """Compute the mean factor by which resizing changes the images' aspect ratio, from 1 up.

    `sizes` and `size` are (height, width).
    """
    if not len(sizes):
        return 1.0
    return float(np.exp(np.abs(_log_ratios(sizes) - np.log(size[1] / size[0])).mean()))


def propose_input(
    sizes: Int[np.ndarray, "images 2"], size: tuple[int, int]
) -> tuple[int, int] | None:
    """Find (height, width) with about as many pixels that distorts the images clearly less.

    None where there is none: images of many shapes, or of the input's own.
    """
    pixels = size[0] * size[1]
    sides = range(MULTIPLE, int((pixels * LARGEST_SIDE) ** 0.5) + MULTIPLE, MULTIPLE)
    shapes = [
        (height, width)
        for height in sides
        for width in sides
        if max(height, width) <= LARGEST_SIDE * min(height, width)
        and abs(height * width / pixels - 1) <= SAME_PIXELS
    ]
    if not shapes:
        return None
    best = min(shapes, key=lambda shape: (distortion(sizes, shape), abs(shape[0] - shape[1])))
    gain = distortion(sizes, size) / distortion(sizes, best)
    return best if gain >= LEAST_GAIN else None


def _log_ratios(sizes: Int[np.ndarray, "images 2"]) -> Float64[np.ndarray, " images"]:
    """Compute the logarithm of each image's width / height."""
    ratios: Float64[np.ndarray, " images"] = np.log(sizes[:, 1] / sizes[:, 0])
    return ratios
