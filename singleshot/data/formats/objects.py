"""Images and objects as an annotation file states them, before they become a data set.

Imports no PyTorch: formats recognise a data set and list its splits without it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from singleshot.errors import DataError

__all__ = [
    "AnnotatedImage",
    "AnnotatedObject",
    "finite_number",
    "require_images",
    "with_rest",
]


class AnnotatedObject(NamedTuple):
    """An object as its file states it, in our box convention, not yet clipped to the image."""

    name: str
    box: tuple[float, float, float, float]  # xyxy, half-open, pixels of the displayed image
    difficult: bool = False
    crowd: bool = False  # as in Truth: a region
    area: float | None = None  # square pixels; None: the box's own


@dataclass(slots=True)
class AnnotatedImage:
    """An image, its size and its objects as the annotation file states them."""

    path: Path
    size: tuple[int, int]  # (height, width); (0, 0) when not stated
    objects: list[AnnotatedObject]


def finite_number(value: Any) -> float:
    """Convert to a float; TypeError or ValueError when it is not a number, infinite or NaN."""
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"{value} is not a finite number")
    return number


def require_images(images: Sequence[AnnotatedImage], file: Path) -> None:
    """Raise DataError if some of the images that an annotation file names are missing."""
    missing = [image.path for image in images if not image.path.exists()]
    if missing:
        raise DataError(
            f"{file}: {len(missing)} of {len(images)} images are missing, the first is "
            f"{missing[0]}; restore them or remove their entries"
        )


def with_rest(
    splits: Mapping[str, Sequence[int]] | None, num_images: int
) -> dict[str, Sequence[int]]:
    """Complete splits for formats with a file per split: images in none become split "all"."""
    listed = {index for indices in (splits or {}).values() for index in indices}
    rest = [index for index in range(num_images) if index not in listed]
    return {**(splits or {}), **({"all": rest} if rest or not splits else {})}
