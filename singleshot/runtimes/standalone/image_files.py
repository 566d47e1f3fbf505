"""Reading and drawing images, as far as possible without Pillow."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from singleshot.runtimes.standalone.model_files import ModelFileError

__all__ = ["draw", "read_image", "require_image"]


def require_image(image: np.ndarray, place: str = "the image") -> np.ndarray:
    """Raise ModelFileError for what is no RGB image of bytes."""
    is_image = image.ndim == 3 and image.shape[2] == 3 and image.size
    if image.dtype != np.uint8 or not is_image:
        raise ModelFileError(
            f"{place}: expected RGB, uint8 (height, width, 3); got {image.dtype} {image.shape}"
        )
    return image


def read_image(path: str) -> np.ndarray:
    """Read an image as uint8 RGB (h, w, 3): .npy and binary .ppm, others by Pillow or OpenCV."""
    if path.endswith(".npy"):
        try:
            with Path(path).open("rb") as file:
                array = np.lib.format.read_array(file)
        except (ValueError, EOFError) as error:
            raise ModelFileError(f"{path}: no array of numbers ({error})") from error
        return require_image(array, path)
    if path.endswith(".ppm"):
        return _read_ppm(path)
    try:
        from PIL import Image, ImageOps
    except ImportError:
        return _read_by_opencv(path)
    try:
        with Image.open(path) as image:
            upright = ImageOps.exif_transpose(image)
            return np.asarray((image if upright is None else upright).convert("RGB"))
    except FileNotFoundError:
        raise
    except Exception as error:  # OSError, SyntaxError and DecompressionBombError, by its format
        raise ModelFileError(f"{path}: Pillow cannot read it ({error})") from error


def _read_by_opencv(path: str) -> np.ndarray:
    """Read an image by OpenCV, which turns it upright."""
    try:
        import cv2
    except ImportError as error:
        raise ModelFileError(
            f"{path}: Pillow is needed to read it; install it with: pip install pillow, or give a "
            ".npy or .ppm file"
        ) from error
    image: np.ndarray | None = cv2.imread(path, cv2.IMREAD_COLOR)
    if image is None:
        raise ModelFileError(f"{path}: missing, or no image that OpenCV can read")
    return np.ascontiguousarray(image[:, :, ::-1])


def _read_ppm(path: str) -> np.ndarray:
    """Read a binary PPM (P6) of 8 bits."""
    content = Path(path).read_bytes()
    found = re.match(rb"P6(?:\s|#.*\n)+(\d+)(?:\s|#.*\n)+(\d+)(?:\s|#.*\n)+255\s", content)
    if found is None:
        raise ModelFileError(f"{path}: not a binary PPM (P6) of 8 bits")
    width, height = int(found[1]), int(found[2])
    pixels = content[found.end() :]
    if len(pixels) < width * height * 3:
        raise ModelFileError(f"{path}: cut short: {width} x {height} pixels need more bytes")
    image = np.frombuffer(pixels, np.uint8, count=width * height * 3)
    return require_image(image.reshape(height, width, 3), path)


def draw(image: np.ndarray, found: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Save an image with its detections as boxes. Needs Pillow."""
    try:
        from PIL import Image, ImageDraw
    except ImportError as error:
        raise ModelFileError("--draw needs Pillow; install it with: pip install pillow") from error
    canvas = Image.fromarray(image)
    pen = ImageDraw.Draw(canvas)
    for one in found:
        x1, y1, x2, y2 = one["box"]
        pen.rectangle((x1, y1, x2, y2), outline=(255, 60, 0), width=2)
        text = "{} {:.2f}".format(one["label"], one["score"])
        place = (x1 + 3, max(y1 - 13, 0))
        pen.rectangle(pen.textbbox(place, text), fill=(255, 60, 0))
        pen.text(place, text, fill=(255, 255, 255))
    path.parent.mkdir(parents=True, exist_ok=True)
    canvas.save(path.with_suffix(".png"))
