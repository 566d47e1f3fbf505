"""Sizes of images, annotated and real: boxes of another size are turned, scaled or refused."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int64

from singleshot.data.assembly.boxes import are_fractions
from singleshot.data.assembly.locating import LocatedImage
from singleshot.data.findings import Findings
from singleshot.data.formats.annotations import AnnotatedImage, AnnotatedObject, Annotations
from singleshot.data.reading import ReadingOptions

__all__ = ["agreed_sizes"]


def agreed_sizes(
    images: list[LocatedImage],
    annotations: Annotations,
    reading: ReadingOptions,
    findings: Findings,
) -> tuple[list[LocatedImage], Int64[np.ndarray, "n 2"]]:
    """Determine the (height, width) of each image; those of another size are left out.

    A size that is annotated must be that of the image, or of its pixels before they are turned by
    the EXIF orientation: then the boxes are turned as well. Of an image that was not looked at, the
    annotated size counts, (0, 0) where there is none.
    """
    chosen: list[LocatedImage] = []
    sizes: list[tuple[int, int]] = []
    for image in images:
        if image.header is None:
            chosen.append(image)
            sizes.append(next((entry.size for entry in image.entries if all(entry.size)), (0, 0)))
            continue
        size = image.header.size
        if _agrees(image, size, annotations, reading, findings):
            chosen.append(image)
            sizes.append(size)
    return chosen, np.array(sizes, dtype=np.int64).reshape(-1, 2)


def _agrees(
    image: LocatedImage,
    size: tuple[int, int],
    annotations: Annotations,
    reading: ReadingOptions,
    findings: Findings,
) -> bool:
    """Compare the annotated sizes with the real one; turn or scale boxes that are of another."""
    normalized = are_fractions(annotations, reading)
    for entry in image.entries:
        stated = entry.size if all(entry.size) else _implied_size(entry, image, normalized)
        if stated == size:
            continue
        sideways = image.header is not None and image.header.is_sideways and stated == size[::-1]
        if sideways and not _fit(entry.objects, stated) and _fit(entry.objects, size):
            continue  # only the size is that of the pixels before they are turned
        if sideways and image.header is not None:
            entry.objects = _turned(entry.objects, size, image.header.orientation, normalized)
            findings.add("turned", image.path.name, image=str(image.path))
        elif reading.rescale_boxes and not normalized:
            entry.objects = _scaled(entry.objects, stated, size)
            findings.add("rescaled", image.path.name, image=str(image.path))
        elif not normalized:
            findings.add("size", image.place, _different(stated, size), str(image.path))
            return False
    return True


def _implied_size(entry: AnnotatedImage, image: LocatedImage, normalized: bool) -> tuple[int, int]:
    """Return the size that boxes fit into where none is stated: the real or the unturned one."""
    header = image.header
    assert header is not None
    unturned = header.size[::-1]
    if not header.is_sideways or normalized or _fit(entry.objects, header.size):
        return header.size
    return unturned if _fit(entry.objects, unturned) else header.size


def _fit(objects: Sequence[AnnotatedObject], size: tuple[int, int]) -> bool:
    """Check whether all boxes lie within an image of this (height, width)."""
    height, width = size
    return all(one.box[2] <= width + 1 and one.box[3] <= height + 1 for one in objects)


def _different(stated: tuple[int, int], size: tuple[int, int]) -> str:
    (stated_height, stated_width), (height, width) = stated, size
    return (
        f"the image is {width} × {height} pixels (width × height) and annotated as "
        f"{stated_width} × {stated_height}"
    )


def _turned(
    objects: Sequence[AnnotatedObject], size: tuple[int, int], orientation: int, normalized: bool
) -> list[AnnotatedObject]:
    """Turn boxes on the stored pixels to the displayed image of this (height, width).

    Orientations are EXIF's (tag 274): 5 is transposed, 6 to be turned clockwise, 7 transposed
    along the other diagonal, 8 to be turned counter-clockwise.
    """
    height, width = (1, 1) if normalized else size
    turned = []
    for one in objects:
        x1, y1, x2, y2 = one.box
        left, right = (width - y2, width - y1) if orientation in (6, 7) else (y1, y2)
        top, bottom = (height - x2, height - x1) if orientation in (7, 8) else (x1, x2)
        turned.append(one._replace(box=(left, top, right, bottom)))
    return turned


def _scaled(
    objects: Sequence[AnnotatedObject], stated: tuple[int, int], size: tuple[int, int]
) -> list[AnnotatedObject]:
    """Scale boxes and areas from the annotated (height, width) to the real one."""
    (stated_height, stated_width), (height, width) = stated, size
    down, right = height / stated_height, width / stated_width
    return [
        one._replace(
            box=(one.box[0] * right, one.box[1] * down, one.box[2] * right, one.box[3] * down),
            area=None if one.area is None else one.area * right * down,
        )
        for one in objects
    ]
