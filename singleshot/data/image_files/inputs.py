"""Images as Python programs hold them: files, Pillow images, NumPy arrays, tensors; one or many.

What can mean one thing only becomes uint8 RGB tensors of shape (3, h, w). Anything else is refused
with its type, its shape and what to write instead: pixels from 0 to 1, for example, look black to a
detector, which would find nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image
from torch import Tensor

from singleshot.data.image_files.archives import image_exists
from singleshot.data.image_files.decoding import from_pillow, read_image
from singleshot.errors import DataError

__all__ = ["ImageLike", "Images", "as_tensor", "as_tensors", "each_image"]

if TYPE_CHECKING:
    ImageLike = str | Path | Image.Image | np.ndarray | Tensor
    Images = ImageLike | Iterable[ImageLike]
else:
    ImageLike = Images = Any  # anything may come, and is refused here with the remedy

_SINGLE = (str, Path, Image.Image)
_EXPECTED = (
    "expected an image file, a Pillow image, a NumPy array (h, w, 3) or a tensor (3, h, w) of type "
    "uint8, or several of them"
)


def as_tensors(images: Images) -> list[UInt8[Tensor, "3 _h _w"]]:
    """Convert one image, a batch (an array of four dimensions) or an iterable of images.

    Raises:
        DataError: one cannot be read, or is of another type or shape; the message has its index.
    """
    return [as_tensor(image, f"image {index}") for index, image in enumerate(each_image(images))]


def each_image(images: Images) -> Iterator[ImageLike]:
    """Yield the images of one, of a batch or of an iterable, as they are."""
    if isinstance(images, _SINGLE):
        yield images
    elif isinstance(images, Tensor | np.ndarray):
        if images.ndim == 4:
            yield from images
        else:
            yield images
    elif isinstance(images, Iterable) and not isinstance(images, Mapping | bytes):
        yield from images
    else:
        raise DataError(f"images: {_describe(images)}; {_EXPECTED}")


def as_tensor(image: ImageLike, place: str = "the image") -> UInt8[Tensor, "3 h w"]:
    """Convert an image to a uint8 RGB tensor; gray is copied to three channels.

    Pixels stay where they are, so that boxes are in those of the image given. `place` names the
    image in errors.

    Raises:
        DataError: the image cannot be read, or is of another type or shape.
    """
    match image:
        case str() | Path():
            converted = _from_file(Path(image))
        case Image.Image():
            converted = from_pillow(image, place)
        case np.ndarray():
            converted = _from_numpy(image, place)
        case Tensor():
            converted = _from_tensor(image, place)
        case _:
            raise DataError(f"{place}: {_describe(image)}; {_EXPECTED}")
    if not converted.numel():
        raise DataError(f"{place}: {_describe(image)} has no pixels")
    return converted


def _from_file(path: Path) -> UInt8[Tensor, "3 h w"]:
    """Read an image file that a caller named, not an annotation."""
    if path.is_dir():
        raise DataError(f"{path}: is a folder; for all its images: detector.predict({str(path)!r})")
    if not image_exists(path):
        raise DataError(f"{path}: there is no such image; check the path")
    return read_image(path)


def _from_numpy(image: np.ndarray, place: str) -> UInt8[Tensor, "3 h w"]:
    """Convert (h, w, 3) RGB, (h, w, 4) with alpha, or gray: (h, w) or (h, w, 1)."""
    if image.dtype != np.uint8:
        _refuse_type(image, place, "round().astype('uint8')")
    match image.shape:
        case (_, _) | (_, _, 1):
            gray = torch.from_numpy(np.array(image, order="C").reshape(image.shape[:2]))
            return gray.expand(3, -1, -1)
        case (_, _, 3):
            # A copy: views of cameras may be read-only, and reversed channels have no tensor.
            # Pixels stay one after the other, which is faster to copy and to resize than planes.
            return torch.from_numpy(np.array(image, order="C")).permute(2, 0, 1)
        case (height, width, 4) if height and width:
            return from_pillow(Image.fromarray(np.ascontiguousarray(image)), place)
        case (3, _, _):
            remedy = "(h, w, 3): image.transpose(1, 2, 0)"
        case _:
            remedy = "(h, w, 3)"
    raise DataError(f"{place}: {_describe(image)}; expected {remedy}")


def _from_tensor(image: Tensor, place: str) -> UInt8[Tensor, "3 h w"]:
    """Convert (3, h, w) RGB, which is returned as it is, or gray: (h, w) or (1, h, w)."""
    if image.dtype != torch.uint8:
        _refuse_type(image, place, "round().to(torch.uint8)")
    match tuple(image.shape):
        case (3, _, _):
            return image
        case (_, _) | (1, _, _):
            return image.expand(3, *image.shape[-2:])
        case (_, _, 3):
            remedy = "(3, h, w): image.permute(2, 0, 1)"
        case (4, _, _):
            remedy = "(3, h, w): image[:3] is without alpha"
        case (_, 3, _, _):
            remedy = "(3, h, w); a batch is given alone, or as list(batch)"
        case _:
            remedy = "(3, h, w)"
    raise DataError(f"{place}: {_describe(image)}; expected {remedy}")


def _refuse_type(image: np.ndarray | Tensor, place: str, cast: str) -> NoReturn:
    """Raise DataError for pixels of another type, with the conversion that suits their values."""
    real = not image.is_complex() if isinstance(image, Tensor) else image.dtype.kind in "biuf"
    if not real or 0 in image.shape:
        raise DataError(f"{place}: {_describe(image)}; {_EXPECTED}")
    low, high = float(image.min()), float(image.max())
    if low >= 0 and high <= 1:
        remedy = f"(image * 255).{cast}"
    elif low >= 0 and high <= 255:
        remedy = f"image.{cast}"
    else:
        remedy = "scale the values first"
    raise DataError(
        f"{place}: {_describe(image)}, with values from {low:g} to {high:g}; expected uint8 from 0 "
        f"to 255: {remedy}"
    )


def _describe(image: object) -> str:
    """Describe what came: its type, and its element type and shape."""
    if isinstance(image, Tensor):
        return f"a tensor of type {image.dtype} and shape {tuple(image.shape)}"
    if isinstance(image, np.ndarray):
        return f"a NumPy array of type {image.dtype} and shape {image.shape}"
    if isinstance(image, Image.Image):
        return f"a Pillow image of {image.width} x {image.height}"
    return f"of type {type(image).__name__}"
