"""Image files: any mode and orientation is read as upright RGB with eight bits per channel.

Pillow decodes, although torchvision's decoder was a quarter faster when this was written (1.5
against 2.0 ms for 640 by 480 pixels): torchvision 0.29 deprecates its own and will remove it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from singleshot.data.image_files.archives import open_file, open_source, read_content
from singleshot.errors import DataError, SingleshotError
from singleshot.files import describe_damage

__all__ = [
    "SIDEWAYS",
    "decode_upright",
    "exif_orientation",
    "from_pillow",
    "image_size",
    "open_image",
    "read_image",
    "read_image_bytes",
    "read_scaled",
    "read_upright",
]

ORIENTATION = 0x0112  # the EXIF tag
SIDEWAYS = (5, 6, 7, 8)  # its values that exchange width and height
SIXTEEN_BITS = 65535
START_OF_JPEG, END_OF_JPEG = b"\xff\xd8\xff", b"\xff\xd9"


def read_image(
    path: str | Path, *, truncated: Literal["refuse", "keep"] = "refuse"
) -> UInt8[Tensor, "3 h w"]:
    """Read an image as displayed: RGB, EXIF orientation applied, transparency on white.

    Of an animation, the first frame. Sixteen bits are scaled by their whole range, not the image's
    own, so that exposures stay comparable. Of a JPEG file that is cut short, `truncated="keep"`
    reads what there is; the rest is grey.

    Raises:
        DataError: the file is missing, not an image, or cut short.
    """
    return read_scaled(path, None, truncated=truncated)[0]


def read_scaled(
    path: str | Path,
    shorter_side: int | None,
    *,
    truncated: Literal["refuse", "keep"] = "refuse",
) -> tuple[UInt8[Tensor, "3 h w"], tuple[int, int]]:
    """Read an image as `read_image` does, and the (height, width) that it has in its file.

    Of a JPEG file libjpeg computes a half, a quarter or an eighth of the sides, the smallest whose
    shorter one has as many pixels as `shorter_side`; images of other formats are read whole.

    Raises:
        DataError: the file is missing, not an image, or cut short.
    """
    path = Path(path)
    try:
        return _read(path, shorter_side=shorter_side)
    except DataError:
        if truncated == "refuse" or not _is_jpeg(path):
            raise
        # With the mark of the end, libjpeg takes what is missing for grey, as viewers do.
        content = BytesIO(read_content(path) + END_OF_JPEG)
        return _read(path, content, shorter_side=shorter_side)


def read_image_bytes(content: bytes, name: str) -> UInt8[Tensor, "3 h w"]:
    """Decode the content of an image file as `read_image` does; `name` names it in errors.

    Raises:
        DataError: it is not an image, or cut short.
    """
    if not content:
        raise DataError(f"{name}: is empty; replace or remove it")
    return _read(Path(name), BytesIO(content))[0]


def _read(
    path: Path, content: BytesIO | None = None, *, shorter_side: int | None = None
) -> tuple[UInt8[Tensor, "3 h w"], tuple[int, int]]:
    """Decode a file, and its (height, width) as displayed; errors name its path."""
    with open_image(path, content) as image:
        size = _size_upright(image)
        if shorter_side is not None:
            image.draft(None, (shorter_side, shorter_side))
        return decode_upright(image), size


def decode_upright(image: Image.Image) -> UInt8[Tensor, "3 h w"]:
    """Decode an image that Pillow has opened, turned by its EXIF orientation, as RGB."""
    must_turn = exif_orientation(image) != 1  # before decoding, as in `image_size`
    image.load()
    if must_turn:
        ImageOps.exif_transpose(image, in_place=True)
    return _to_planes(image)


def _is_jpeg(path: Path) -> bool:
    """Check for the mark that a JPEG file begins with."""
    try:
        with open_file(path) as file:
            return file.read(3) == START_OF_JPEG
    except (OSError, ValueError):  # or a name that no file can have
        return False


def from_pillow(image: Image.Image, place: str) -> UInt8[Tensor, "3 h w"]:
    """Convert an image of Pillow as `read_image` does, without turning it.

    `place` names the image in errors.

    Raises:
        DataError: it is still to be turned by its EXIF orientation, or its file is truncated.
    """
    if exif_orientation(image) != 1:
        raise DataError(
            f"{place}: lies on its side by its EXIF orientation; turn it with "
            f"PIL.ImageOps.exif_transpose(image), or give its path"
        )
    try:
        return _to_planes(image)
    except OSError as error:  # Pillow decodes a file only now
        raise DataError(f"{place}: the image is broken ({error})") from error


def _to_planes(image: Image.Image) -> UInt8[Tensor, "3 h w"]:
    """Convert any of Pillow's modes to RGB, one plane after the other."""
    # Pillow splits bands several times as fast as NumPy or PyTorch transpose.
    planes = [np.asarray(band) for band in _to_rgb(image).split()]
    return torch.from_numpy(np.stack(planes))


def read_upright(path: Path) -> bytes:
    """Read the file of an image, encoded anew where its EXIF orientation turns it.

    Of a JPEG file that is cut short and turned, what is missing is grey.

    Raises:
        DataError: the file is missing or not an image.
    """
    with open_image(path) as image:
        if exif_orientation(image) == 1:
            return read_content(path)
    try:
        return _encode_upright(path)
    except DataError:
        if not _is_jpeg(path):
            raise
        return _encode_upright(path, BytesIO(read_content(path) + END_OF_JPEG))


def _encode_upright(path: Path, content: BytesIO | None = None) -> bytes:
    """Turn an image by its EXIF orientation, and encode it in the format of its file."""
    encoded = BytesIO()
    with open_image(path, content) as image:
        ImageOps.exif_transpose(image).save(encoded, image.format, quality=95)
    return encoded.getvalue()


def image_size(path: Path) -> tuple[int, int]:
    """Read the (height, width) of an image as displayed, from its header alone.

    Raises:
        DataError: the file is missing or not an image.
    """
    with open_image(path) as image:
        return _size_upright(image)


def _size_upright(image: Image.Image) -> tuple[int, int]:
    """Return the (height, width) that an image has when it is turned."""
    width, height = image.size
    sideways = exif_orientation(image) in SIDEWAYS
    return (width, height) if sideways else (height, width)


@contextmanager
def open_image(path: Path, content: BytesIO | None = None) -> Iterator[Image.Image]:
    """Open an image; any error meanwhile becomes a DataError that names the file.

    `content` is what is read in its place.
    """
    try:
        with Image.open(content or open_source(path)) as image:
            yield image
    except SingleshotError:
        raise
    except FileNotFoundError:
        raise DataError(
            f"{path}: there is no such image; restore it or drop its annotation"
        ) from None
    except IsADirectoryError:
        raise DataError(f"{path}: is a folder where an image is expected") from None
    except UnidentifiedImageError:
        damage = describe_damage(path)
        reason = damage or "is not an image, or of an unknown format; replace or remove it"
        raise DataError(f"{path}: {reason}") from None
    except Image.DecompressionBombError as error:
        # "Image size (189000000 pixels) exceeds limit of 178956970 pixels, …"
        size, most = (round(int(number) / 1e6) for number in re.findall(r"\d+", str(error))[:2])
        raise DataError(
            f"{path}: the image is too large: {size} megapixels, at most {most}; cut it into tiles "
            f"or shrink it"
        ) from None
    except Exception as error:  # Pillow's decoders raise nearly anything on a broken file
        raise DataError(f"{path}: the image is broken ({error}); replace or remove it") from error


def exif_orientation(image: Image.Image) -> int:
    """Return the EXIF orientation by which the image has yet to be turned; 1 for none.

    Pillow's TIFF reader turns by itself. For PNG its own `getexif` would decode the whole image
    in search of EXIF data behind the pixels; the base class looks only in front of them.
    """
    if image.format == "TIFF":
        return 1
    orientation = Image.Image.getexif(image).get(ORIENTATION, 1)
    return orientation if orientation in range(2, 9) else 1


def _to_rgb(image: Image.Image) -> Image.Image:
    """Convert any of Pillow's modes to RGB."""
    if image.mode == "RGB":
        return image
    if image.mode.startswith("I") or image.mode == "F":
        return _to_eight_bits(image).convert("RGB")
    if image.has_transparency_data:
        coloured = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, coloured).convert("RGB")
    return image.convert("RGB")


def _to_eight_bits(image: Image.Image) -> Image.Image:
    """Scale gray values from 0 … 65535 to 0 … 255; DataError for a larger range."""
    values = np.asarray(image)
    if image.mode == "F" or values.min() < 0 or values.max() > SIXTEEN_BITS:
        raise DataError(
            f"{getattr(image, 'filename', 'an image')}: its gray values have no agreed range "
            f"(mode {image.mode}, {values.min()} to {values.max()}); convert it to 8 or 16 bits"
        )
    return Image.fromarray(np.rint(values / (SIXTEEN_BITS / 255)).astype(np.uint8))
