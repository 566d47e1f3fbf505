"""Decoding images of requests: three formats, limits of pixels and of scans.

Nothing is unpickled, and no file is opened: images are decoded from memory.
"""

from __future__ import annotations

from io import BytesIO

from jaxtyping import UInt8
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from singleshot.data.image_files.decoding import exif_orientation, from_pillow
from singleshot.errors import DataError
from singleshot.serving.problems import Problem

__all__ = ["IMAGE_TYPES", "decode_image"]

# Pillow's names; no other of its decoders sees the bytes.
FORMATS = ("JPEG", "PNG", "WEBP")
IMAGE_TYPES = ("image/jpeg", "image/png", "image/webp")

# Each scan of a progressive JPEG goes over all pixels, and may be a few bytes long. Encoders write
# about ten.
START_OF_SCAN, MOST_SCANS = b"\xff\xda", 32

PLACE = "body"


def decode_image(content: bytes, max_pixels: int) -> UInt8[Tensor, "3 h w"]:
    """Decode an image as `read_image` does: upright RGB, transparency on white.

    Raises:
        Problem: it is of another format, broken, or too large.
    """
    try:
        with Image.open(BytesIO(content), formats=FORMATS) as image:
            _check_size(image, content, max_pixels)
            must_turn = exif_orientation(image) != 1
            image.load()
            if must_turn:
                ImageOps.exif_transpose(image, in_place=True)
            return from_pillow(image, PLACE)
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
        raise _too_large("more than Pillow decodes", max_pixels) from None
    except DataError as error:
        raise _broken(str(error).removeprefix(f"{PLACE}: ")) from error
    except Exception as error:  # Pillow's decoders raise nearly anything on a broken file
        raise _broken(f"the image is broken ({error})") from error


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
