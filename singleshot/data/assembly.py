"""From annotations to a data set: the rules that are the same for every format.

Images are found and their real sizes compared with the annotated ones; then boxes are turned or
scaled to the image, put in order, clipped, and dropped where nothing remains. Whatever is changed
or left out is a finding.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool, Float64, Int64

from singleshot.boxes.geometry import area
from singleshot.data.archives import image_exists
from singleshot.data.dataset import DataSet
from singleshot.data.finding_images import (
    ImageFinder,
    NotFound,
    find_image,
    find_image_anywhere,
    is_missing,
    likely_path,
)
from singleshot.data.findings import Findings, count_of
from singleshot.data.formats.annotations import AnnotatedImage, AnnotatedObject, Annotations
from singleshot.data.headers import ImageHeader, read_headers
from singleshot.data.image_paths import ImagePaths
from singleshot.data.images import image_size
from singleshot.data.reading import ReadingOptions
from singleshot.structures import Truth

__all__ = ["Assembled", "ImageUse", "assemble"]

ImageUse = Literal["required", "optional", "unread"]

_ROUNDING = 0.05  # pixels; annotations rounded to a decimal or two stick out by less


@dataclass
class _Image:
    """An image with the entries that are about it."""

    path: Path
    entries: list[AnnotatedImage]
    header: ImageHeader | None = None  # None: not looked at

    @property
    def place(self) -> str:
        """Place of its first entry."""
        return self.entries[0].place


@dataclass(frozen=True)
class Assembled:
    """A data set, without the images and objects in error, and all that was found."""

    dataset: DataSet
    findings: Findings


def assemble(
    annotations: Annotations,
    reading: ReadingOptions,
    *,
    description: str,
    images: ImageUse = "optional",
    headers: dict[str, ImageHeader] | None = None,
) -> Assembled:
    """Build a data set whose boxes have an area and lie inside their images.

    The header of every image is read, unless images are "unread": then only that of an image whose
    objects contradict its annotated size. Where they are "required" it is an error that none is
    there; otherwise annotations may be of use alone. Headers are added to `headers` by the paths
    of their images.
    """
    findings = Findings(list(annotations.findings))
    # Fractions of an image that is not there cannot be converted to pixels.
    use = "required" if _are_fractions(annotations, reading) else images
    located = _locate(annotations, reading, findings, use)
    if images != "unread" or _are_fractions(annotations, reading):
        located = _inspect(located, findings)
    if headers is not None:
        headers |= {str(one.path): one.header for one in located if one.header is not None}
    chosen, sizes = _sizes(located, annotations, reading, findings)
    owners = np.repeat(
        np.arange(len(chosen)), [sum(len(one.objects) for one in image.entries) for image in chosen]
    )
    objects = [one for image in chosen for entry in image.entries for one in entry.objects]
    boxes = np.array([one.box for one in objects], dtype=np.float64).reshape(-1, 4)
    if _are_fractions(annotations, reading):
        factors = sizes[owners][:, [1, 0, 1, 0]].astype(np.float64)
        boxes = (boxes + annotations.origin * np.array([1, 1, 0, 0])) * factors
        scale = factors[:, 0] * factors[:, 1]
    else:
        scale = np.ones(len(boxes))
        _refuse_fractions(boxes, annotations, findings)
    repaired = _repair(boxes, sizes[owners])
    for kind, marked in repaired.changed.items():
        for index in np.flatnonzero(marked).tolist():
            path = chosen[owners[index]].path
            place = f"{path.stem} {annotations.entry} {objects[index].number}"
            box = tuple(boxes[index].tolist())
            findings.add(kind, place, image=str(path), boxes=(box,))
    keep = repaired.keep
    class_names = annotations.class_names or sorted({one.name for one in objects})
    _note_similar(class_names, findings)
    ids = [image.entries[0].image_id for image in chosen]
    known = [number for number in ids if number is not None]
    has_ids = len(known) == len(ids) and annotations.category_ids is not None
    truths = _truths_of(objects, repaired.boxes, scale, class_names)
    dataset = DataSet(
        class_names=tuple(class_names),
        paths=ImagePaths.of(image.path for image in chosen),
        sizes=sizes,
        truths=truths[torch.from_numpy(keep)],
        ends=torch.from_numpy(np.bincount(owners[keep], minlength=len(chosen)).cumsum()),
        image_ids=np.array(known if has_ids else range(len(chosen)), dtype=np.int64),
        category_ids=tuple(annotations.category_ids or range(1, len(class_names) + 1)),
        has_ids=has_ids,
        description=description,
        other_ids=_other_ids(chosen) if has_ids else {},
    )
    return Assembled(dataset, findings)


def _locate(
    annotations: Annotations, reading: ReadingOptions, findings: Findings, use: ImageUse
) -> list[_Image]:
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
) -> list[_Image]:
    """Join the entries that are about the same file, in the order of the first."""
    images: dict[Path, _Image] = {}
    for entry, path in zip(entries, paths, strict=True):
        if path in images:
            if len(images[path].entries) == 1:
                findings.add("merged", path.name, image=str(path))
            images[path].entries.append(entry)
        else:
            images[path] = _Image(path, [entry])
    return list(images.values())


def _other_ids(images: Sequence[_Image]) -> dict[int, int]:
    """Map the further ids of joined entries to that of the first."""
    return {
        int(entry.image_id or 0): int(image.entries[0].image_id or 0)
        for image in images
        for entry in image.entries[1:]
    }


def _inspect(images: list[_Image], findings: Findings) -> list[_Image]:
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


def _sizes(
    images: list[_Image], annotations: Annotations, reading: ReadingOptions, findings: Findings
) -> tuple[list[_Image], Int64[np.ndarray, "n 2"]]:
    """Determine the (height, width) of each image; those of another size are left out.

    A size that is annotated must be that of the image, or of its pixels before they are turned by
    the EXIF orientation: then the boxes are turned as well.
    """
    chosen: list[_Image] = []
    sizes: list[tuple[int, int]] = []
    for image in images:
        if image.header is None:
            chosen.append(image)
            sizes.append(_size_unseen(image))
            continue
        size = image.header.size
        if _agrees(image, size, annotations, reading, findings):
            chosen.append(image)
            sizes.append(size)
    return chosen, np.array(sizes, dtype=np.int64).reshape(-1, 2)


def _agrees(
    image: _Image,
    size: tuple[int, int],
    annotations: Annotations,
    reading: ReadingOptions,
    findings: Findings,
) -> bool:
    """Compare the annotated sizes with the real one; turn or scale boxes that are of another."""
    normalized = _are_fractions(annotations, reading)
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


def _implied_size(entry: AnnotatedImage, image: _Image, normalized: bool) -> tuple[int, int]:
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


def _size_unseen(image: _Image) -> tuple[int, int]:
    """Return the annotated size unless a box contradicts it; only then the image is opened."""
    for entry in image.entries:
        height, width = entry.size
        stated = height > 0 and width > 0
        if not (
            stated and all(one.box[2] <= width and one.box[3] <= height for one in entry.objects)
        ):
            if image_exists(image.path):
                return image_size(image.path)
            return entry.size if stated else (0, 0)
    return image.entries[0].size


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


def _are_fractions(annotations: Annotations, reading: ReadingOptions) -> bool:
    return annotations.normalized or reading.normalized


def _refuse_fractions(
    boxes: Float64[np.ndarray, "k 4"], annotations: Annotations, findings: Findings
) -> None:
    """Report boxes in pixels that look like fractions of the image: no corner is beyond 1."""
    if not len(boxes) or boxes[:, 2:].max() > 1 or (boxes == np.rint(boxes)).all():
        return
    largest = ", ".join(f"{value:g}" for value in boxes.max(axis=0))
    findings.add(
        "fractions",
        str(annotations.file),
        f"no corner of {count_of(len(boxes), 'boxes')} is beyond 1 pixel (the largest: {largest})",
    )


@dataclass(frozen=True)
class _Repaired:
    """Boxes of all objects, and what was done to them."""

    boxes: Float64[np.ndarray, "k 4"]
    keep: Bool[np.ndarray, " k"]  # those with an area inside the image
    changed: Mapping[str, Bool[np.ndarray, " k"]]  # by the kind of finding


def _repair(boxes: Float64[np.ndarray, "k 4"], sizes: Int64[np.ndarray, "k 2"]) -> _Repaired:
    """Put corners in order and clip boxes to their images."""
    ordered = np.concatenate(
        [np.minimum(boxes[:, :2], boxes[:, 2:]), np.maximum(boxes[:, :2], boxes[:, 2:])], axis=1
    )
    inside = _clip_each(ordered, sizes)
    keep = _has_area(inside)
    clipped = keep & (np.abs(inside - ordered).max(axis=1, initial=0) > _ROUNDING)
    return _Repaired(
        # A rounding error of the annotation is no reason to change the ground truth.
        boxes=np.where(clipped[:, None], inside, ordered),
        keep=keep,
        changed={
            "swapped": np.any(boxes[:, :2] > boxes[:, 2:], axis=1),
            "without-area": ~_has_area(ordered),
            "outside": _has_area(ordered) & ~keep,
            "clipped": clipped,
        },
    )


def _clip_each(
    boxes: Float64[np.ndarray, "n 4"], sizes: Int64[np.ndarray, "n 2"]
) -> Float64[np.ndarray, "n 4"]:
    """Clip each box to its own image, whose (height, width) is given; 0: unknown."""
    limits = np.where(sizes > 0, sizes, np.inf)
    return boxes.clip(0, limits[:, [1, 0, 1, 0]])


def _has_area(boxes: Float64[np.ndarray, "n 4"]) -> Bool[np.ndarray, " n"]:
    """Mark the boxes with a width and a height above 0."""
    return np.logical_and(boxes[:, 0] < boxes[:, 2], boxes[:, 1] < boxes[:, 3])


def _note_similar(class_names: Sequence[str], findings: Findings) -> None:
    """Note class names that a reader would take for the same."""
    alike: dict[str, list[str]] = {}
    for name in class_names:
        alike.setdefault(" ".join(name.casefold().split()), []).append(name)
    for names in alike.values():
        if len(names) > 1:
            findings.add("similar-classes", " and ".join(map(repr, names)))


def _truths_of(
    objects: Sequence[AnnotatedObject],
    boxes: Float64[np.ndarray, "n 4"],
    scale: Float64[np.ndarray, " n"],
    class_names: Sequence[str],
) -> Truth:
    """Stack the objects into one truth, with these boxes instead of their own."""
    label_of = {name: label for label, name in enumerate(class_names)}
    exact = torch.from_numpy(boxes)
    stated = torch.tensor([one.area or 0.0 for one in objects], dtype=torch.float64)
    stated *= torch.from_numpy(scale)
    return Truth(
        boxes=exact,
        labels=torch.tensor([label_of[one.name] for one in objects], dtype=torch.int64),
        difficult=torch.tensor([one.difficult for one in objects], dtype=torch.bool),
        crowd=torch.tensor([one.crowd for one in objects], dtype=torch.bool),
        areas=torch.where(stated > 0, stated, area(exact)),
    )
