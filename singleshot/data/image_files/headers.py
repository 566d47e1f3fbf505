"""Headers of image files: size, orientation, and whether the file is whole, without decoding it."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from singleshot.data.image_files.archives import open_file
from singleshot.data.image_files.decoding import SIDEWAYS, exif_orientation, open_image, read_image
from singleshot.data.machine import available_cores
from singleshot.errors import DataError

__all__ = ["ImageHeader", "read_header", "read_headers"]

# What a whole file of these formats ends with, perhaps followed by what some cameras append.
_ENDS = {"JPEG": b"\xff\xd9", "MPO": b"\xff\xd9", "PNG": b"IEND"}
_LAST = 4096  # bytes looked at for it

State = Literal["whole", "truncated", "unreadable"]


@dataclass(frozen=True)
class ImageHeader:
    """Size, orientation and state of an image file, known before it is decoded."""

    size: tuple[int, int]  # (height, width) as displayed; (0, 0) when unreadable
    orientation: int  # by EXIF: 1 is upright
    state: State
    problem: str = ""  # why it is unreadable
    mode: str = ""  # Pillow's: "RGB", "L" for grey, "CMYK"

    @property
    def is_sideways(self) -> bool:
        """Check whether the orientation exchanges width and height."""
        return self.orientation in SIDEWAYS


def read_headers(paths: Sequence[Path]) -> list[ImageHeader]:
    """Read the headers of many images, in threads."""
    with ThreadPoolExecutor(available_cores()) as threads:
        return list(threads.map(read_header, paths, chunksize=64))


def read_header(path: Path) -> ImageHeader:
    """Read the header of an image; one whose file does not end as it should is decoded."""
    try:
        with open_image(path) as image:
            width, height = image.size
            orientation = exif_orientation(image)
            kind, mode = image.format or "", image.mode
    except DataError as error:
        return ImageHeader((0, 0), 1, "unreadable", str(error).removeprefix(f"{path}: "))
    size = (width, height) if orientation in SIDEWAYS else (height, width)
    if _ends_well(path, kind):
        return ImageHeader(size, orientation, "whole", mode=mode)
    return _decoded(path, size, orientation, mode)


def _decoded(path: Path, size: tuple[int, int], orientation: int, mode: str) -> ImageHeader:
    """Decode an image to see whether it is whole."""
    state: State = "whole"
    for state in ("whole", "truncated"):
        try:
            read_image(path, truncated="keep" if state == "truncated" else "refuse")
            return ImageHeader(size, orientation, state, mode=mode)
        except DataError as error:
            problem = str(error).removeprefix(f"{path}: ")
    return ImageHeader((0, 0), 1, "unreadable", problem)


def _ends_well(path: Path, kind: str) -> bool:
    """Check the last bytes of the file; True for formats that have no fixed end."""
    if kind not in _ENDS:
        return True
    with open_file(path) as file:
        length = file.seek(0, 2)
        file.seek(max(length - _LAST, 0))
        return _ENDS[kind] in file.read()
