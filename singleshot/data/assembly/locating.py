"""Images of annotations: their files, and the headers of these."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from singleshot.data.findings import Findings
from singleshot.data.formats.annotations import AnnotatedImage, Annotations
from singleshot.data.image_files.archives import image_exists
from singleshot.data.image_files.finding import (
    ImageFinder,
    NotFound,
    find_image,
    find_image_anywhere,
    is_missing,
    likely_path,
)
from singleshot.data.image_files.headers import ImageHeader, read_headers
from singleshot.data.reading import ReadingOptions

__all__ = ["ImageUse", "LocatedImage", "inspect_images", "locate_images", "other_ids"]

ImageUse = Literal["required", "optional", "unread"]


@dataclass
class LocatedImage:
    """An image with the entries that are about it."""

    path: Path
    entries: list[AnnotatedImage]
    header: ImageHeader | None = None  # None: not looked at

    @property
    def place(self) -> str:
        """Place of its first entry."""
        return self.entries[0].place


def locate_images(
    annotations: Annotations, reading: ReadingOptions, findings: Findings, use: ImageUse
) -> list[LocatedImage]:
    """Find the file of each image, and join the entries of one file.

    Without a single image the annotations are kept, unless images are required.
    """
    finder = ImageFinder(
        annotations.root,
        annotations.folders,
        given=None if reading.images is None else Path(reading.images),
        follow_links=reading.follow_links,
    )
    found = [find_image(finder, one) for one in annotations.images]
    if found and all(map(is_missing, found)):
        found = [find_image_anywhere(finder, one) for one in annotations.images]
    if found and all(map(is_missing, found)):
        looked_in = ", ".join(map(str, finder.folders))
        if use == "required":
            findings.add(
                "no-images",
                str(annotations.file),
                f"found none of its images; looked in {looked_in}",
            )
            return []
        findings.add("reader", f"found no images of {annotations.file.name}; looked in {looked_in}")
        folder = finder.folders[0]
        guessed = [likely_path(folder, one) for one in annotations.images]
        return _joined(annotations.images, guessed, findings)
    paths = []
    images = []
    for one, result in zip(annotations.images, found, strict=True):
        if isinstance(result, NotFound):
            findings.add(result.kind, one.place, result.detail)
            continue
        if result.by_name:
            findings.add("found-by-name", result.path.name, image=str(result.path))
        paths.append(result.path)
        images.append(one)
    known = set(paths)
    for folder in annotations.complete:
        for path in finder.list_images(folder):
            if path not in known:
                findings.add("not-annotated", path.name, image=str(path))
    return _joined(images, paths, findings)


def _joined(
    entries: Sequence[AnnotatedImage], paths: Sequence[Path], findings: Findings
) -> list[LocatedImage]:
    """Join the entries that are about the same file, in the order of the first."""
    images: dict[Path, LocatedImage] = {}
    for entry, path in zip(entries, paths, strict=True):
        if path in images:
            if len(images[path].entries) == 1:
                findings.add("merged", path.name, image=str(path))
            images[path].entries.append(entry)
        else:
            images[path] = LocatedImage(path, [entry])
    return list(images.values())


def other_ids(images: Sequence[LocatedImage]) -> dict[int, int]:
    """Map the further ids of joined entries to that of the first."""
    return {
        int(entry.image_id or 0): int(image.entries[0].image_id or 0)
        for image in images
        for entry in image.entries[1:]
    }


def inspect_images(images: list[LocatedImage], findings: Findings) -> list[LocatedImage]:
    """Read the headers; images that cannot be read are left out, unless none is there."""
    if not any(image_exists(image.path) for image in images[:1]):
        return images
    headers = read_headers([image.path for image in images])
    readable = []
    for image, header in zip(images, headers, strict=True):
        if header.state == "unreadable":
            findings.add("unreadable-image", str(image.path), header.problem, str(image.path))
            continue
        if header.state == "truncated":
            findings.add("truncated-image", str(image.path), image=str(image.path))
        image.header = header
        readable.append(image)
    return readable
