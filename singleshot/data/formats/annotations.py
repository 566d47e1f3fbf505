"""Images and objects as annotation files state them, before they become a data set.

Imports no PyTorch: formats recognise a data set and list its splits without it.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from singleshot.data.findings import Findings
from singleshot.data.formats.split_names import require_file_names

__all__ = [
    "AnnotatedImage",
    "AnnotatedObject",
    "Annotations",
    "Box",
    "with_rest",
]

Box = tuple[float, float, float, float]


class AnnotatedObject(NamedTuple):
    """An object as its file states it, not yet clipped to the image."""

    name: str
    # xyxy, half-open, pixels of the displayed image; fractions of it if `normalized`.
    box: Box
    number: int = 0  # of its entry, from 1, for messages
    difficult: bool = False
    crowd: bool = False  # as in Truth: a region
    area: float | None = None  # square pixels; None: the box's own


@dataclass(slots=True)
class AnnotatedImage:
    """An image, its size and its objects as an annotation file states them.

    Its file is that with this stem, of several the one with this name; else that of this name, in
    `folder`, then in the folders of all annotations, then anywhere in the data set.
    """

    name: str  # of the file, perhaps with folders; "" when only the stem is known
    size: tuple[int, int]  # (height, width); (0, 0) when not stated
    objects: list[AnnotatedObject]
    place: str  # where it is stated, for messages: "Annotations/a.xml", "a.json: image 3"
    stem: str | None = None  # perhaps with folders: "cam1/000017"
    folder: Path | None = None
    image_id: int | None = None
    file: Path | None = None  # where the format knows it: a member of an archive
    other_names: Sequence[str] = ()  # looked for where none of the above is there


@dataclass
class Annotations:
    """The content of an annotation file, or of all such files in a folder."""

    root: Path  # folder of the data set: nothing outside it is read
    images: list[AnnotatedImage]
    folders: Sequence[Path]  # where images are looked for, in this order
    file: Path  # that states them, or the folder of such files
    class_names: Sequence[str] | None = None  # None: the names of all objects, in order
    category_ids: Sequence[int] | None = None  # of the class names
    entry: str = "object"  # what messages call an object: "annotation 3", "line 3"
    normalized: bool = False  # whether boxes are fractions of the displayed image
    # Folders whose images are all meant to be annotated: what else is there is noted.
    complete: Sequence[Path] = ()
    origin: float = 0  # what the reader has subtracted from x1 and y1: 1 in VOC
    findings: Findings = field(default_factory=Findings)


def with_rest(
    splits: Mapping[str, Sequence[int]] | None, num_images: int
) -> dict[str, Sequence[int]]:
    """Complete splits for formats with a file per split: images in none become split "all".

    Where there is a split of this name, they become "rest", or "rest-2" and so on. Raises DataError
    for a split that a file cannot be named after.
    """
    splits = splits or {}
    require_file_names(splits)
    listed = {index for indices in splits.values() for index in indices}
    rest = [index for index in range(num_images) if index not in listed]
    names = itertools.chain(("all", "rest"), (f"rest-{number}" for number in itertools.count(2)))
    free = next(name for name in names if name not in splits)
    return {**splits, **({free: rest} if rest or not splits else {})}
