"""Images into files."""

from pathlib import Path

from PIL import Image

from singleshot.errors import DataError
from singleshot.files import write_atomically

__all__ = ["save"]

FORMATS = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG"}
JPEG_QUALITY = 92  # small text keeps its edges


def save(image: Image.Image, path: Path) -> None:
    """Write a PNG or JPEG file, by its suffix.

    Raises:
        DataError: another suffix.
    """
    if path.suffix.lower() not in FORMATS:
        raise DataError(f"{path}: cannot be written as {path.suffix!r}; use .jpg or .png")
    with write_atomically(path) as beside:
        image.save(beside, FORMATS[path.suffix.lower()], quality=JPEG_QUALITY)
