"""Which pictures a person means, and where their drawings go."""

import glob
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from singleshot.errors import DataError, SingleshotError

__all__ = ["drawing_paths", "find_pictures"]

VIDEO_SUFFIXES = frozenset((".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".webm"))
DRAWN_SUFFIXES = frozenset((".jpeg", ".jpg", ".png"))  # drawings in another format become PNG


def find_pictures(sources: Iterable[str]) -> list[Path]:
    """The pictures that files, folders and patterns name, each once, in the order given."""
    found: dict[Path, Path] = {}
    for source in sources:
        for path in pictures_of(source):
            found.setdefault(path.resolve(), path)
    return list(found.values())


def pictures_of(source: str) -> list[Path]:
    """The pictures that one file, folder or pattern names."""
    path = Path(source)
    if path.is_dir():
        return pictures_in(path)
    if path.suffix.lower() in VIDEO_SUFFIXES or source.isdecimal() or "://" in source:
        raise DataError(
            f"{source}: video files, cameras and streams cannot be read yet; "
            "give pictures, folders or patterns such as 'shots/*.jpg'"
        )
    if path.is_file():
        return [path]
    if glob.has_magic(source):
        return pictures_like(source)
    raise DataError(f"{source}: no such picture or folder")


def pictures_in(folder: Path) -> list[Path]:
    """The pictures directly in a folder, by name."""
    found = [path for path in sorted(folder.iterdir()) if is_picture(path)]
    if not found:
        raise DataError(
            f"{folder}: no picture directly in this folder; '{folder}/**/*.jpg' looks deeper"
        )
    return found


def pictures_like(pattern: str) -> list[Path]:
    """The pictures whose paths fit a pattern, `**` meaning any depth."""
    # Path.glob takes no absolute pattern, and this one may be either.
    found = map(Path, sorted(glob.glob(pattern, recursive=True)))  # noqa: PTH207
    pictures = [path for path in found if is_picture(path)]
    if not pictures:
        raise DataError(f"{pattern}: no picture fits this pattern")
    return pictures


def is_picture(path: Path) -> bool:
    """Whether the name is a picture's."""
    from singleshot.data.images import PICTURE_SUFFIXES

    return path.suffix.lower() in PICTURE_SUFFIXES and path.is_file()


def drawing_paths(pictures: Sequence[Path], folder: Path) -> list[Path]:
    """Where each picture's drawing goes: its path below the folder that all pictures share."""
    pictures = [picture.resolve() for picture in pictures]
    shared = os.path.commonpath([picture.parent for picture in pictures])
    drawings = [folder / drawing_name(picture.relative_to(shared)) for picture in pictures]
    overwritten = {drawing.resolve() for drawing in drawings} & set(pictures)
    if overwritten:
        raise SingleshotError(
            f"--draw {folder}: would write over the picture {min(overwritten)}; "
            "choose another folder"
        )
    return drawings


def drawing_name(picture: Path) -> Path:
    """A name whose format can be written."""
    if picture.suffix.lower() in DRAWN_SUFFIXES:
        return picture
    return picture.with_name(f"{picture.name}.png")
