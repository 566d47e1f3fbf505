"""Image files of files, folders and patterns, and the paths of their drawings."""

import glob
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from singleshot.data.image_files.suffixes import image_suffixes
from singleshot.errors import DataError, SingleshotError
from singleshot.files import without_hidden
from singleshot.video.sources import VIDEO_SUFFIXES

if TYPE_CHECKING:
    from singleshot.data.image_files.inputs import ImageLike
else:
    ImageLike = Any  # importing it would import PyTorch

__all__ = ["drawing_paths", "find_images"]


DRAWN_SUFFIXES = frozenset((".jpeg", ".jpg", ".png"))  # drawings in another format become PNG


def find_images(sources: Iterable[ImageLike]) -> list[ImageLike]:
    """List the images that files, folders and patterns name, each once, in the order given.

    Images in memory stay as they are.
    """
    found: list[ImageLike] = []
    known: set[Path] = set()
    for source in sources:
        if not isinstance(source, str | Path):
            found.append(source)
            continue
        for path in images_of(str(source)):
            if (resolved := path.resolve()) not in known:
                known.add(resolved)
                found.append(path)
    return found


def images_of(source: str) -> list[Path]:
    """List the images that one file, folder or pattern names."""
    path = Path(source)
    if path.is_dir():
        return images_in(path)
    if path.suffix.lower() in VIDEO_SUFFIXES or source.isdecimal() or "://" in source:
        raise DataError(
            f"{source}: video files, cameras and streams cannot be read yet; "
            "give images, folders or patterns such as 'shots/*.jpg'"
        )
    if path.is_file():
        return [path]
    if glob.has_magic(source):
        return images_like(source)
    raise DataError(f"{source}: no such image or folder")


def images_in(folder: Path) -> list[Path]:
    """List the images directly in a folder, by name."""
    found = [path for path in sorted(without_hidden(folder.iterdir())) if is_image(path)]
    if not found:
        raise DataError(
            f"{folder}: no image directly in this folder; '{folder}/**/*.jpg' looks deeper"
        )
    return found


def images_like(pattern: str) -> list[Path]:
    """List the images whose paths fit a pattern, `**` meaning any depth."""
    # Path.glob takes no absolute pattern, and this one may be either.
    found = map(Path, sorted(glob.glob(pattern, recursive=True)))  # noqa: PTH207
    images = [path for path in without_hidden(found) if is_image(path)]
    if not images:
        raise DataError(f"{pattern}: no image fits this pattern")
    return images


def is_image(path: Path) -> bool:
    """Tell images by their suffix."""
    return path.suffix.lower() in image_suffixes() and path.is_file()


def drawing_paths(found: Sequence[ImageLike], folder: Path) -> list[Path]:
    """Make the path of each drawing: that of the image below the folder that all share."""
    if not found:
        raise SingleshotError(f"--draw {folder}: no images are given; give at least one to draw")
    images = [image.resolve() for image in found if isinstance(image, Path)]
    if len(images) < len(found):
        raise SingleshotError(
            f"draw={str(folder)!r}: images in memory have no names; save result.plot() of each"
        )
    shared = os.path.commonpath([image.parent for image in images])
    drawings = [folder / drawing_name(image.relative_to(shared)) for image in images]
    overwritten = {drawing.resolve() for drawing in drawings} & set(images)
    if overwritten:
        raise SingleshotError(
            f"--draw {folder}: would write over the image {min(overwritten)}; choose another folder"
        )
    return drawings


def drawing_name(image: Path) -> Path:
    """Choose a name whose format can be written."""
    if image.suffix.lower() in DRAWN_SUFFIXES:
        return image
    return image.with_name(f"{image.name}.png")
