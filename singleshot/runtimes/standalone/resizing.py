"""From an image to the input of a model: resizing as several libraries do it, in NumPy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

__all__ = ["resize", "to_input"]


def resize(image: np.ndarray, size: tuple[int, int], how: str) -> np.ndarray:
    """Resize uint8 (h, w, 3) to (height, width), bilinearly, as the library that `how` names.

    The result is uint8 for `antialias` and `opencv`, which make whole numbers, else float32.
    """
    if how == "antialias":
        # Along rows first, and of columns that lie together in memory, as rows do.
        columns = _sum_taps(np.ascontiguousarray(image.transpose(1, 0, 2)), size[1])
        return _sum_taps(np.ascontiguousarray(columns.transpose(1, 0, 2)), size[0])
    if how == "opencv":
        return _resize_as_opencv(image, size)
    if how == "tensorflow1":
        resized = _between(image, _neighbours(image.shape[0], size[0], how), axis=0)
        return _between(resized, _neighbours(image.shape[1], size[1], how), axis=1)
    resized = _between(image, _neighbours(image.shape[1], size[1], how), axis=1)
    return _between(resized, _neighbours(image.shape[0], size[0], how), axis=0)


def _sum_taps(rows: np.ndarray, cells: int) -> np.ndarray:
    """Resize along the first axis with antialiasing: PyTorch's kernel of whole numbers."""
    first, weights, precision = _triangle(len(rows), cells)
    total = np.full((cells, *rows.shape[1:]), 1 << (precision - 1), np.int32)
    product = np.empty_like(total)
    for tap in range(weights.shape[1]):
        source = rows[np.minimum(first + tap, len(rows) - 1)]
        np.multiply(source, weights[:, tap, None, None], out=product)
        total += product
    total >>= precision
    return total.astype(np.uint8)


def _triangle(side: int, cells: int) -> tuple[np.ndarray, np.ndarray, int]:
    """Return first pixel and weights (cells, taps) of each cell, in units of 2^-precision."""
    scale = side / cells
    reach = max(scale, 1.0)
    centre = scale * (np.arange(cells) + 0.5)
    first = np.maximum((centre - reach + 0.5).astype(np.int64), 0)
    last = np.minimum((centre + reach + 0.5).astype(np.int64), side)
    pixel = first[:, None] + np.arange((last - first).max())
    triangle = np.maximum(1 - np.abs((pixel - centre[:, None] + 0.5) * (1 / reach)), 0)
    triangle[pixel >= last[:, None]] = 0
    weights = triangle / triangle.sum(axis=1, keepdims=True)
    # The most digits that the largest weight has in 16 bits.
    precision = 0
    while precision < 22 and int(0.5 + weights.max() * (2 << precision)) < 1 << 15:
        precision += 1
    return first, (weights * (1 << precision) + 0.5).astype(np.int32), precision


def _neighbours(side: int, cells: int, how: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the two pixels around each cell of the result, and the second one's part."""
    cell = np.arange(cells, dtype=np.float32)
    if how == "tensorflow1":
        place = cell * np.float32(side / cells)
    elif how == "darknet":
        place = cell * np.float32((side - 1) / max(cells - 1, 1))
    elif how == "opencv":
        scale = 1 / (cells / side)
        place = ((np.arange(cells) + 0.5) * scale - 0.5).astype(np.float32)
    else:
        place = np.maximum(np.float32(side / cells) * (cell + np.float32(0.5)) - np.float32(0.5), 0)
    before = np.floor(place)
    first = np.clip(before, 0, side - 1).astype(np.int64)
    second = np.clip(before + 1, 0, side - 1).astype(np.int64)
    return first, second, place - before


def _between(
    image: np.ndarray, neighbours: tuple[np.ndarray, np.ndarray, np.ndarray], axis: int
) -> np.ndarray:
    """Interpolate along an axis of (rows, columns, 3)."""
    first, second, part = neighbours
    part = part.reshape((-1, 1, 1) if axis == 0 else (-1, 1))
    near = image.take(first, axis=axis).astype(np.float32)
    blended: np.ndarray = near + (image.take(second, axis=axis) - near) * part
    return blended


def _resize_as_opencv(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize as INTER_LINEAR does bytes: weights are whole numbers of 1/2048."""
    top, bottom, down = _neighbours(image.shape[0], size[0], "opencv")
    left, right, across = _neighbours(image.shape[1], size[1], "opencv")
    before, after, above, below = (
        np.rint(part * 2048).astype(np.int32) for part in (1 - across, across, 1 - down, down)
    )
    # Beyond the first and the last column there is no second one.
    before, after = np.where(left == right, 2048, before), np.where(left == right, 0, after)
    wide = image.astype(np.int32)
    stretched = (wide[:, left] * before[:, None] + wide[:, right] * after[:, None]) >> 4
    upper = stretched[top] * above[:, None, None] >> 16
    lower = stretched[bottom] * below[:, None, None] >> 16
    blended: np.ndarray = ((upper + lower + 2) >> 2).astype(np.uint8)
    return blended


def to_input(images: Sequence[np.ndarray], description: Mapping[str, Any]) -> np.ndarray:
    """Stack resized images (h, w, 3) as the model takes them: normalised, typed, laid out."""
    batch = np.stack(list(images))
    mean = np.array(description["mean"], np.float32)
    std = np.array(description["std"], np.float32)
    if mean.any() or (std != 1).any():
        batch = (batch - mean) / std
    quantization = description.get("quantization")
    if quantization is not None:
        batch = (
            np.rint(batch.astype(np.float32) / np.float32(quantization["scale"]))
            + quantization["zero_point"]
        )
    if description["dtype"] not in ("float32", batch.dtype):
        limits = np.iinfo(description["dtype"])
        batch = np.clip(np.rint(batch), limits.min, limits.max)
    if description["layout"] == "NCHW":
        batch = batch.transpose(0, 3, 1, 2)
    return np.ascontiguousarray(batch, dtype=description["dtype"])
