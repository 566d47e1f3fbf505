"""Decoding images of requests: three formats, limits of pixels and of scans.

Nothing is unpickled, and no file is opened: images are decoded from memory.
"""

from __future__ import annotations

from io import BytesIO
from threading import Lock
from weakref import finalize

from jaxtyping import UInt8
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from singleshot.data.image_files.decoding import decode_upright
from singleshot.errors import DataError
from singleshot.serving.problems import Problem

__all__ = ["IMAGE_TYPES", "PixelLimits", "decode_image"]

# Pillow's names; no other of its decoders sees the bytes.
FORMATS = ("JPEG", "PNG", "WEBP")
IMAGE_TYPES = ("image/jpeg", "image/png", "image/webp")

# Each scan of a progressive JPEG goes over all pixels, and may be a few bytes long. Encoders write
# about ten.
START_OF_SCAN, MOST_SCANS = b"\xff\xda", 32

PLACE = "body"


class PixelLimits:
    """Limits of the pixels of one image, and of all that are decoded; for several threads."""

    def __init__(self, of_one: int, of_all: int) -> None:
        self.of_one, self.of_all = of_one, of_all
        self.number = 0  # of images that are decoded
        self._lock = Lock()

    def reserve(self, number: int) -> None:
        """Count the pixels of an image about to be decoded; raises Problem for too many."""
        with self._lock:
            if self.number + number > self.of_all:
                raise Problem(
                    429,
                    "too many pixels at once",
                    place="server",
                    value=f"{self.number / 1e6:.0f} megapixels are in work",
                    remedy="repeat the request in 1 s",
                    headers={"Retry-After": "1"},
                )
            self.number += number

    def release(self, number: int) -> None:
        """Count the pixels of an image no more."""
        with self._lock:
            self.number -= number


def decode_image(content: bytes, limits: PixelLimits) -> UInt8[Tensor, "3 h w"]:
    """Decode an image as `read_image` does: upright RGB, transparency on white.

    Its pixels count for the limit of all images as long as it exists.

    Raises:
        Problem: it is of another format, broken, or too large.
    """
    try:
        with Image.open(BytesIO(content), formats=FORMATS) as image:
            _check_size(image, content, limits.of_one)
            return _decode(image, limits)
    except Problem:
        raise
    except UnidentifiedImageError:
        raise Problem(
            415,
            "unsupported format",
            place=PLACE,
            value=f"{len(content)} bytes that begin with {content[:8].hex(' ')}",
            remedy="send a JPEG, PNG or WebP image",
        ) from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _too_large("more than Pillow decodes", limits.of_one) from None
    except DataError as error:
        raise _broken(str(error).removeprefix(f"{PLACE}: ")) from error
    except Exception as error:  # Pillow's decoders raise nearly anything on a broken file
        raise _broken(f"the image is broken ({error})") from error


def _decode(image: Image.Image, limits: PixelLimits) -> UInt8[Tensor, "3 h w"]:
    """Decode an image whose header has been read."""
    number = image.width * image.height
    limits.reserve(number)
    try:
        decoded = decode_upright(image)
    except BaseException:
        limits.release(number)
        raise
    # However its request ends: with an answer, an error, or cancelled.
    finalize(decoded, limits.release, number)
    return decoded


def _check_size(image: Image.Image, content: bytes, max_pixels: int) -> None:
    """Raise Problem for an image whose decoding would take too much memory or time."""
    width, height = image.size
    if width * height > max_pixels:
        raise _too_large(f"{width} x {height} pixels", max_pixels)
    if image.format == "JPEG" and (scans := content.count(START_OF_SCAN)) > MOST_SCANS:
        raise _broken(f"a JPEG of {scans} scans, at most {MOST_SCANS} are decoded")


def _too_large(value: str, max_pixels: int) -> Problem:
    return Problem(
        413,
        "too many pixels",
        place=PLACE,
        value=value,
        remedy=f"at most {max_pixels / 1e6:g} megapixels are decoded here; shrink the image",
    )


def _broken(value: str) -> Problem:
    return Problem(
        422, "broken image", place=PLACE, value=value[:300], remedy="send a whole, valid image"
    )
