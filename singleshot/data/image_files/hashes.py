"""Hashes of images: of the file's bytes, and of what the image looks like.

The perceptual hash is the well-known pHash (Zauner 2010, "Implementation and benchmarking of
perceptual image hash functions", §3.2.1): the signs of the lowest frequencies of the cosine
transform of a small grey copy, against their median. It hardly changes with the size, compression
or brightness of an image.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, UInt8, UInt64
from PIL import Image, ImageOps

from singleshot.data.image_files.archives import open_source, read_content
from singleshot.data.image_files.decoding import read_image
from singleshot.data.machine import available_cores
from singleshot.errors import DataError

__all__ = ["ImageHashes", "hash_image_files", "perceptual_hash"]

GRID = 32  # pixels a side of the grey copy that is hashed
THUMBNAIL = 16  # pixels a side of the one that is kept
BITS = 64
DRAFT = 4 * GRID  # pixels a side from which the copy is made; JPEG files are decoded no larger
NO_DIGEST = ""


@dataclass(frozen=True)
class ImageHashes:
    """Hashes of images, in the order of their paths; made once and used for several questions."""

    paths: np.ndarray  # of str
    digests: np.ndarray  # of str: SHA-256 of the file; empty where it cannot be read
    hashes: UInt64[np.ndarray, " n"]  # perceptual
    flipped: UInt64[np.ndarray, " n"]  # perceptual, of the image flipped horizontally
    thumbnails: UInt8[np.ndarray, "n side side"]  # grey
    unreadable: dict[int, str]  # index of an image to the reason

    def __len__(self) -> int:
        return len(self.paths)


class _ImageHash(NamedTuple):
    """Hashes of one image."""

    digest: str
    hash: int
    flipped: int
    thumbnail: UInt8[np.ndarray, "side side"]


def hash_image_files(
    paths: Sequence[str | Path], *, progress: Callable[[int, int], None] | None = None
) -> ImageHashes:
    """Hash image files, in threads; those that cannot be decoded are listed as unreadable.

    Of a JPEG file that is cut short, what there is counts.

    `progress` is called with the images done and in all. A JPEG file is decoded at a fraction of
    its size, in about 2 ms.
    """
    entries: list[_ImageHash] = []
    unreadable: dict[int, str] = {}
    nothing = _ImageHash(NO_DIGEST, 0, 0, np.zeros((THUMBNAIL, THUMBNAIL), dtype=np.uint8))
    with ThreadPoolExecutor(available_cores()) as threads:
        for index, entry in enumerate(threads.map(_hash_image, paths)):
            if isinstance(entry, DataError):
                unreadable[index] = str(entry)
            entries.append(nothing if isinstance(entry, DataError) else entry)
            if progress is not None:
                progress(index + 1, len(paths))
    return ImageHashes(
        paths=np.array([str(path) for path in paths], dtype=np.str_),
        digests=np.array([one.digest for one in entries], dtype=np.str_),
        hashes=np.array([one.hash for one in entries], dtype=np.uint64),
        flipped=np.array([one.flipped for one in entries], dtype=np.uint64),
        thumbnails=np.stack([one.thumbnail for one in entries])
        if entries
        else np.zeros((0, THUMBNAIL, THUMBNAIL), dtype=np.uint8),
        unreadable=unreadable,
    )


def perceptual_hash(grey: Float[np.ndarray, "side side"]) -> tuple[int, int]:
    """Hash a small grey image, and the same image flipped horizontally, into 64 bits each.

    Half of the bits are set, so that the distance of two hashes is even.
    """
    coefficients = (_COSINES @ grey @ _COSINES.T)[_ROWS, _COLUMNS]
    # A cosine of an odd frequency changes its sign when it is flipped.
    flipped = np.where(_COLUMNS % 2 == 1, -coefficients, coefficients)
    return _pack_signs(coefficients), _pack_signs(flipped)


def _hash_image(path: str | Path) -> _ImageHash | DataError:
    """Hash one file, or return the reason why it cannot be read."""
    path = Path(path)
    try:
        grey = _grey_copy(path)
        digest = hashlib.sha256(read_content(path)).hexdigest()
    except DataError as error:
        return error
    except OSError as error:
        return DataError(f"{path}: cannot be read ({error}); replace or remove it")
    block = GRID // THUMBNAIL
    thumbnail = grey.reshape(THUMBNAIL, block, THUMBNAIL, block).mean(axis=(1, 3))
    return _ImageHash(digest, *perceptual_hash(grey), np.rint(thumbnail).astype(np.uint8))


def _grey_copy(path: Path) -> Float[np.ndarray, "side side"]:
    """Read a small grey copy of an image as displayed; DataError as by `read_image`."""
    try:
        with Image.open(open_source(path)) as image:
            if image.mode in {"RGB", "L"}:
                image.draft("L", (DRAFT, DRAFT))  # of JPEG; other files ignore it
                return _shrink(ImageOps.exif_transpose(image))
    except Exception:  # Pillow's decoders raise nearly anything: read again below
        pass
    # Rare modes, and broken files: whether they are used is decided in one place.
    pixels = read_image(path, truncated="keep").permute(1, 2, 0).numpy()
    return _shrink(Image.fromarray(pixels))


def _shrink(image: Image.Image) -> Float[np.ndarray, "side side"]:
    """Resize to a small grey square."""
    # For an image of one pixel's height, a reducing gap would leave nothing.
    gap = 3.0 if min(image.size) >= DRAFT else None
    small = image.convert("L").resize((GRID, GRID), Image.Resampling.LANCZOS, reducing_gap=gap)
    return np.asarray(small, dtype=np.float64)


def _pack_signs(coefficients: Float[np.ndarray, " bits"]) -> int:
    """Set a bit for each coefficient above the median."""
    above = coefficients > np.median(coefficients)
    return int.from_bytes(np.packbits(above).tobytes(), "big")


def _lowest_frequencies() -> tuple[np.ndarray, np.ndarray]:
    """List rows and columns of the lowest frequencies but the mean, in JPEG's diagonal order."""
    side = math.isqrt(2 * BITS) + 2
    cells = sorted((row + column, row, column) for row in range(side) for column in range(side))
    chosen = np.array(cells[1 : BITS + 1])
    return chosen[:, 1], chosen[:, 2]


_ROWS, _COLUMNS = _lowest_frequencies()
# Row f is the cosine of frequency f at the centres of the pixels (DCT-II).
_COSINES = np.cos(np.pi * np.outer(np.arange(GRID), np.arange(GRID) + 0.5) / GRID)
