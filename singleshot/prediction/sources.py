"""Images and videos by files, folders, patterns, numbers and URLs; paths of their drawings."""

import glob
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from singleshot.data.image_files.suffixes import image_suffixes
from singleshot.errors import DataError, SingleshotError
from singleshot.files import without_hidden
from singleshot.video.sources import VideoSource, find_video, is_video_file

if TYPE_CHECKING:
    from singleshot.data.image_files.inputs import ImageLike
else:
    ImageLike = Any  # importing it would import PyTorch

__all__ = ["FoundSources", "drawing_paths", "find_images", "find_sources"]

DRAWN_SUFFIXES = frozenset((".jpeg", ".jpg", ".png"))  # drawings in another format become PNG
FILM_SUFFIX = ".mp4"


@dataclass
class FoundSources:
    """Images and videos in the order given, and what was left out."""

    sources: list[ImageLike | VideoSource] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    _known: set[Path | VideoSource] = field(default_factory=set)

    def add(self, source: Path | VideoSource) -> None:
        """Add an image file or a video, unless it is there already."""
        key = _file_of(source) or source
        if key not in self._known:
            self._known.add(key)
            self.sources.append(source)


def find_sources(given: Iterable[ImageLike | int]) -> FoundSources:
    """List the images and videos that files, folders, patterns, numbers and URLs name.

    Images in memory stay as they are; files and streams are there once.

    Raises:
        DataError: one names nothing that can be read.
    """
    found = FoundSources()
    for source in given:
        if not isinstance(source, str | Path | int):
            found.sources.append(source)
        elif not isinstance(source, int) and Path(source).is_dir():
            _add_folder(found, Path(source))
        elif video := find_video(source):
            _add_video(found, video, str(source))
        elif Path(str(source)).is_file():
            found.add(Path(str(source)))
        elif glob.has_magic(str(source)):
            _add_pattern(found, str(source))
        else:
            raise DataError(f"{source}: no such image, video or folder; check the path")
    return found


def find_images(given: Iterable[ImageLike]) -> list[ImageLike]:
    """List images as `find_sources` does.

    Raises:
        DataError: also for videos.
    """
    images: list[ImageLike] = []
    for source in find_sources(given).sources:
        if isinstance(source, VideoSource):
            raise DataError(f"{source.name}: is a video; give images, or folders of images")
        images.append(source)
    return images


def _add_video(found: FoundSources, video: VideoSource, source: str) -> None:
    """Add one video; what looks like a file and is none may be a pattern."""
    if video.kind != "file" or Path(source).is_file():
        found.add(video)
    elif glob.has_magic(source):
        _add_pattern(found, source)
    else:
        raise DataError(f"{source}: there is no such video; check the path")


def _add_folder(found: FoundSources, folder: Path) -> None:
    """Add the images directly in a folder, by name."""
    paths = sorted(without_hidden(folder.iterdir()))
    images = [path for path in paths if is_image(path)]
    videos = [path for path in paths if is_video_file(path)]
    if videos and not images:
        raise DataError(
            f"{folder}: no image directly in this folder, but {len(videos)} videos; "
            f"'{folder}/*{videos[0].suffix}' takes them"
        )
    if not images:
        raise DataError(
            f"{folder}: no image directly in this folder; '{folder}/**/*.jpg' looks deeper"
        )
    if videos:
        found.notes.append(
            f"{folder}: {len(videos)} videos are left out beside the images; "
            f"'{folder}/*{videos[0].suffix}' takes them"
        )
    for path in images:
        found.add(path)


def _add_pattern(found: FoundSources, pattern: str) -> None:
    """Add the images and videos whose paths fit a pattern, `**` meaning any depth."""
    # Path.glob takes no absolute pattern, and this one may be either.
    paths = map(Path, sorted(glob.glob(pattern, recursive=True)))  # noqa: PTH207
    added = False
    for path in without_hidden(paths):
        if is_image(path):
            found.add(path)
        elif is_video_file(path) and path.is_file():
            found.add(VideoSource("file", str(path)))
        else:
            continue
        added = True
    if not added:
        raise DataError(f"{pattern}: no image or video fits this pattern")


def is_image(path: Path) -> bool:
    """Detect images by their suffix."""
    return path.suffix.lower() in image_suffixes() and path.is_file()


def drawing_paths(found: Sequence[ImageLike | VideoSource], folder: Path) -> list[Path]:
    """Make the path of each drawing: that of the file below the folder that all share.

    Films of cameras and streams are directly in the folder.
    """
    if not found:
        raise SingleshotError(f"--draw {folder}: no images are given; give at least one to draw")
    if not all(isinstance(source, Path | VideoSource) for source in found):
        raise SingleshotError(
            f"draw={str(folder)!r}: images in memory have no names; save result.plot() of each"
        )
    files = {index: file for index, source in enumerate(found) if (file := _file_of(source))}
    shared = os.path.commonpath([file.parent for file in files.values()]) if files else ""
    drawings = []
    for index, source in enumerate(found):
        if isinstance(source, VideoSource):
            name = files[index].relative_to(shared) if index in files else Path(source.file_name)
            drawings.append(folder / film_name(name))
        else:
            drawings.append(folder / drawing_name(files[index].relative_to(shared)))
    overwritten = {drawing.resolve() for drawing in drawings} & set(files.values())
    if overwritten:
        path = min(overwritten)
        kind = "video" if is_video_file(path) else "image"
        raise SingleshotError(
            f"--draw {folder}: would write over the {kind} {path}; choose another folder"
        )
    return drawings


def _file_of(source: ImageLike | VideoSource) -> Path | None:
    """Locate the file of a source; None for cameras and streams."""
    if isinstance(source, VideoSource):
        return Path(source.location).resolve() if source.kind == "file" else None
    assert isinstance(source, Path)
    return source.resolve()


def drawing_name(image: Path) -> Path:
    """Choose a name whose format can be written."""
    if image.suffix.lower() in DRAWN_SUFFIXES:
        return image
    return image.with_name(f"{image.name}.png")


def film_name(video: Path) -> Path:
    """Choose the name of the film of drawings, which is always MP4."""
    if video.suffix.lower() == FILM_SUFFIX:
        return video
    return video.with_name(f"{video.name}{FILM_SUFFIX}")
