"""Finding the image files that annotations name, where names are stale or folders have moved.

Nothing outside the folder of the data set is found: not by `../`, not by an absolute path, and not
through a symbolic link, unless links may be followed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Literal, NamedTuple

from singleshot.data.formats.annotations import AnnotatedImage
from singleshot.data.image_files.suffixes import image_suffixes

__all__ = [
    "FoundImage",
    "ImageFinder",
    "NotFound",
    "find_image",
    "find_image_anywhere",
    "is_missing",
]

MOST_FILES = 2_000_000  # looked through in search of an image by its name alone
_DRIVE = re.compile(r"^[A-Za-z]:")


@dataclass(frozen=True)
class NotFound:
    """Reason that there is no file for an image."""

    kind: Literal["missing-image", "ambiguous-image", "outside-link"]
    detail: str


class FoundImage(NamedTuple):
    """The file of an image; by its name where the annotated folder or suffix does not exist."""

    path: Path
    by_name: bool


class _Listing(NamedTuple):
    """The image files of a folder: by name, and the names by stem."""

    names: Mapping[str, bool]  # whether the name is a symbolic link
    stems: Mapping[str, Sequence[str]]


class ImageFinder:
    """Looks for image files in folders, each of which is listed once."""

    def __init__(
        self, root: Path, folders: Sequence[Path], *, given: Path | None, follow_links: bool
    ) -> None:
        self.given = given  # the folder that the user names
        self.roots = tuple(dict.fromkeys([root] if given is None else [root, given]))
        self.folders = tuple(dict.fromkeys(folders if given is None else (given, *folders)))
        self.follow_links = follow_links
        self._listings: dict[Path, _Listing] = {}
        self._allowed: dict[Path, bool] = {}

    def find(self, name: str, stem: str | None, folder: Path | None) -> FoundImage | NotFound:
        """Find the file of an image where it is annotated to be: see `AnnotatedImage`."""
        folders = self.folders
        if folder is not None:
            given = () if self.given is None else (self.given,)
            folders = tuple(dict.fromkeys((*given, folder, *folders)))
        parts = _parts_within(name)
        if stem is not None:
            for place in folders:
                if path := self._with_stem(place, stem, parts[-1] if parts else ""):
                    return self._checked(path, by_name=False)
        if parts:
            for place in folders:
                if path := self._with_name(place, parts):
                    return self._checked(path, by_name="/".join(parts) != name)
        return NotFound("missing-image", f"there is no image {name or stem!r}")

    def _with_name(self, folder: Path, parts: Sequence[str]) -> Path | None:
        """Find the image of this name, perhaps in folders below."""
        *above, last = parts
        parent = folder.joinpath(*above) if above else folder
        return parent / last if last in self._list(parent).names else None

    def _with_stem(self, folder: Path, stem: str, name: str) -> Path | None:
        """Find the image with this stem; of several, the one with the annotated name."""
        above, _, last = stem.rpartition("/")
        parent = folder / above if above else folder
        names = self._list(parent).stems.get(last, ())
        return parent / (name if name in names else min(names)) if names else None

    def find_anywhere(self, name: str, stem: str | None) -> FoundImage | NotFound:
        """Find an image by its name in any folder: the one that agrees in most parent folders.

        Only for annotations none of whose images is where it should be: the folder of another split
        may have another image of the same number.
        """
        parts = _parts(name)
        last = parts[-1] if parts else ""
        found = self._by_name.get(last.lower(), [])
        if not found:
            known = stem if stem is not None else PurePosixPath(last).stem
            found = self._by_stem.get(PurePosixPath(known).name.lower(), []) if known else []
            parts = (*parts[:-1], known)
        if not found:
            return NotFound("missing-image", f"there is no image {name or stem!r}")
        agreement = [_common_parents(path.parts, parts) for path in found]
        best = [path for path, same in zip(found, agreement, strict=True) if same == max(agreement)]
        if len(best) > 1:
            return NotFound("ambiguous-image", f"{name or stem!r} may be {best[0]} or {best[1]}")
        return self._checked(best[0], by_name=True)

    def _checked(self, path: Path, *, by_name: bool) -> FoundImage | NotFound:
        """Refuse a file that a symbolic link takes out of the data set."""
        is_link = self._list(path.parent).names.get(path.name, False)
        if self.follow_links or (self._may_enter(path.parent) and not is_link):
            return FoundImage(path, by_name)
        if self._is_inside(path):
            return FoundImage(path, by_name)
        return NotFound("outside-link", f"leads to {Path(os.path.realpath(path))}")

    def _may_enter(self, folder: Path) -> bool:
        """Check whether a folder lies in the data set, links resolved; remembered."""
        if folder not in self._allowed:
            self._allowed[folder] = self._is_inside(folder)
        return self._allowed[folder]

    def _is_inside(self, path: Path) -> bool:
        real = Path(os.path.realpath(path))
        return any(real.is_relative_to(root) for root in self._real_roots)

    @cached_property
    def _real_roots(self) -> Sequence[Path]:
        return [Path(os.path.realpath(root)) for root in self.roots]

    def _list(self, folder: Path) -> _Listing:
        """List the image files of a folder once; none where there is no such folder."""
        if folder not in self._listings:
            self._listings[folder] = _list_images(folder)
        return self._listings[folder]

    def list_images(self, folder: Path) -> list[Path]:
        """List the image files in a folder and those below, in order of their names."""
        return sorted(
            place / name for place in _folders_below(folder) for name in self._list(place).names
        )

    @cached_property
    def _all(self) -> list[Path]:
        """List all image files of the data set."""
        found: list[Path] = []
        for root in self.roots:
            for folder in _folders_below(root):
                found += (folder / name for name in self._list(folder).names)
                if len(found) > MOST_FILES:
                    return found
        return found

    @cached_property
    def _by_name(self) -> Mapping[str, list[Path]]:
        return _grouped(self._all, lambda path: path.name.lower())

    @cached_property
    def _by_stem(self) -> Mapping[str, list[Path]]:
        return _grouped(self._all, lambda path: path.stem.lower())


def find_image(finder: ImageFinder, image: AnnotatedImage) -> FoundImage | NotFound:
    """Find the file of an image where it is annotated to be."""
    if image.file is not None:
        return FoundImage(image.file, by_name=False)
    found = finder.find(image.name, image.stem, image.folder)
    for name in image.other_names:
        if is_missing(found):
            found = finder.find(name, None, image.folder)
    return found


def find_image_anywhere(finder: ImageFinder, image: AnnotatedImage) -> FoundImage | NotFound:
    """Find the file of an image by its names, in any folder."""
    found = finder.find_anywhere(image.name, image.stem)
    for name in image.other_names:
        if is_missing(found):
            found = finder.find_anywhere(name, None)
    return found


def likely_path(folder: Path, image: AnnotatedImage) -> Path:
    """Return the path in a folder that an image without a file would have, for its name."""
    parts = [part for part in _parts(image.name or f"{image.stem}.jpg") if part != ".."]
    return folder.joinpath(*parts)


def is_missing(found: FoundImage | NotFound) -> bool:
    """Check whether there is no file at all, not even one that must not be read."""
    return isinstance(found, NotFound) and found.kind == "missing-image"


def _list_images(folder: Path) -> _Listing:
    names: dict[str, bool] = {}
    stems: dict[str, list[str]] = {}
    suffixes = image_suffixes()
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                stem, suffix = os.path.splitext(entry.name)  # noqa: PTH122 (a million of them)
                if suffix.lower() in suffixes and not stem.startswith("."):
                    names[entry.name] = entry.is_symlink()
                    stems.setdefault(stem, []).append(entry.name)
    except (OSError, ValueError):  # none, a file, or a name that no file can have
        pass
    return _Listing(names, stems)


def _grouped(paths: Sequence[Path], key: Callable[[Path], str]) -> dict[str, list[Path]]:
    groups: dict[str, list[Path]] = {}
    for path in paths:
        groups.setdefault(key(path), []).append(path)
    return groups


def _folders_below(folder: Path) -> Iterator[Path]:
    """Yield a folder and all below; symbolic links are not followed."""
    for place, folders, _ in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield Path(place)


def _parts(name: str) -> tuple[str, ...]:
    r"""Split a path of any system: `C:\data\a.jpg` and `/data/a.jpg` alike."""
    plain = _DRIVE.sub("", name).replace("\\", "/")
    return tuple(part for part in plain.split("/") if part not in ("", "."))


def _parts_within(name: str) -> tuple[str, ...]:
    """Split a path within a folder; empty for one that leads out of it."""
    parts = _parts(name)
    absolute = name.startswith(("/", "\\")) or _DRIVE.match(name) is not None
    return () if absolute or ".." in parts or "\0" in name else parts


def _common_parents(path: Sequence[str], parts: Sequence[str]) -> int:
    """Count the parent folders that two paths have in common, from the last."""
    count = 0
    for ours, theirs in zip(reversed(path[:-1]), reversed(parts[:-1]), strict=False):
        if ours != theirs:
            break
        count += 1
    return count
