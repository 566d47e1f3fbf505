"""Samples of WebDataset shards: an image and a JSON of the same key, one behind the other.

The JSON of shards from elsewhere is read where it has one of these layouts; boxes are in pixels:

    {"boxes": [[x1, y1, x2, y2], …], "classes": ["cat", …]}         as `shards` are written
    {"annotations": [{"bbox": [left, top, width, height], "category": "cat"}, …]}          as COCO
    {"objects": {"bbox": [[left, top, width, height], …], "category": ["cat", …]}}   as Hugging Face

In place of `classes` and `category` may stand `labels`, `label`, `category_name`, `class`, `name`
or `category_id`; classes that are numbers are called by them. `width`, `height` and `file_name`
may be absent.
"""

from __future__ import annotations

import json
import re
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from singleshot.data.findings import Findings
from singleshot.data.formats.annotations import AnnotatedImage, AnnotatedObject, Annotations, Box
from singleshot.data.formats.entries import Entry, as_number
from singleshot.data.image_files.archives import member_path
from singleshot.data.image_files.suffixes import image_suffixes
from singleshot.errors import DataError

__all__ = ["holds_samples", "read_samples"]

_LARGEST_JSON = 64 << 20  # bytes of one sample
_PROBED = 8  # members of a tar file
_CLASSES = ("classes", "labels", "category", "category_name", "class", "label", "name")
_NUMBERS = ("category_id", "class_id", "label_id")
_CORNERS = "[x1, y1, x2, y2] in pixels"
_SIDES = "[left, top, width, height] in pixels"


class _Sample(NamedTuple):
    """The members of a tar file that have the same key."""

    key: str
    image: tarfile.TarInfo | None
    json: bytes | None
    suffixes: tuple[str, ...]


def holds_samples(tar: Path) -> bool:
    """Check the first members of a tar file for an image and what belongs to it."""
    try:
        with tarfile.open(tar, "r:") as opened:
            names: list[tuple[str, str]] = []
            while len(names) < _PROBED and (member := opened.next()) is not None:
                names.append(_split_name(member.name))
    except (tarfile.TarError, OSError, ValueError):
        return False
    images = {key for key, suffix in names if suffix in image_suffixes()}
    others = {key for key, suffix in names if suffix in (".json", ".cls", ".txt")}
    return bool(images & others)


def read_samples(tars: Sequence[Path], root: Path) -> Annotations:
    """Read the samples of some tar files, in one pass; images stay where they are."""
    findings = Findings()
    images: list[AnnotatedImage] = []
    for tar in tars:
        with findings.collect(str(tar), kind="file"):
            for sample in _samples_of(tar):
                place = f"{tar}: sample {sample.key}"
                with findings.collect(place):
                    if sample.image is not None:
                        images.append(_read_sample(sample, sample.image, tar, place))
    names = {one.name for image in images for one in image.objects}
    return Annotations(
        root=root,
        images=images,
        folders=(root,),
        file=tars[0] if len(tars) == 1 else root,
        class_names=sorted(names, key=_by_number),
        findings=findings,
    )


def _samples_of(tar: Path) -> Iterator[_Sample]:
    """Yield the samples of a tar file; DataError when it is damaged or compressed."""
    for key, members in groupby(_members_of(tar), key=lambda one: one[0]):
        image, found = None, None
        suffixes = []
        for _, suffix, member, content in members:
            suffixes.append(suffix)
            if suffix in image_suffixes():
                image = image or member
            elif suffix == ".json":
                found = content
        yield _Sample(key, image, found, tuple(suffixes))


def _members_of(tar: Path) -> Iterator[tuple[str, str, tarfile.TarInfo, bytes | None]]:
    """Yield key, suffix and place of each file in a tar file, and of JSON the content."""
    size = tar.stat().st_size
    try:
        with tarfile.open(tar, "r:") as opened:
            while (member := opened.next()) is not None:
                opened.members = []  # type: ignore[attr-defined]  # or it would keep them all
                if member.offset_data + member.size > size:
                    raise DataError(f"{tar}: is cut short within {member.name}; copy it again")
                if member.isreg():
                    key, suffix = _split_name(member.name)
                    is_json = suffix == ".json" and member.size <= _LARGEST_JSON
                    file = opened.extractfile(member) if is_json else None
                    yield key, suffix, member, None if file is None else file.read()
            end = opened.offset
    except (tarfile.TarError, ValueError, EOFError) as error:
        raise DataError(
            f"{tar}: is no tar file, compressed or cut short ({error}); unpack it with gunzip, or "
            f"copy it again"
        ) from error
    if not _ends_at(tar, end):
        raise DataError(f"{tar}: is cut short at {end:,} bytes; copy it again")


def _ends_at(tar: Path, offset: int) -> bool:
    """Check for the block of zeros that ends a tar file."""
    with tar.open("rb") as file:
        file.seek(offset)
        return file.read(tarfile.BLOCKSIZE) == bytes(tarfile.BLOCKSIZE)


def _split_name(name: str) -> tuple[str, str]:
    """Split the name of a member at the first dot of its last part, as webdataset does."""
    folder, slash, last = name.rpartition("/")
    stem, dot, suffix = last.partition(".")
    return folder + slash + stem, (dot + suffix).lower()


def _read_sample(sample: _Sample, image: tarfile.TarInfo, tar: Path, place: str) -> AnnotatedImage:
    """Read the image of a sample and its objects."""
    if sample.json is None:
        others = ", ".join(sample.suffixes)
        raise DataError(f"{place}: has no boxes (only {others}); expected a .json with boxes")
    try:
        entry = Entry(json.loads(sample.json), place)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{place}: broken JSON ({error})") from error
    stated = entry.values.get("file_name")
    name = PurePosixPath(str(stated or image.name).replace("\\", "/")).name
    name = re.sub(r"[\0-\x1f]", "", name) or f"{sample.key}.jpg"
    return AnnotatedImage(
        name,
        (entry.side("height"), entry.side("width")),
        _read_objects(entry),
        place,
        file=member_path(tar, image.offset_data, image.size, name),
    )


def _read_objects(entry: Entry) -> list[AnnotatedObject]:
    """Read the objects of a sample in any of the layouts above."""
    objects = entry.values.get("objects")
    if "boxes" in entry.values:
        return list(_from_columns(entry, "boxes", _CORNERS))
    if isinstance(objects, Mapping):
        return list(_from_columns(Entry(objects, f"{entry.place}: objects"), "bbox", _SIDES))
    for key in ("annotations", "objects"):
        if isinstance(entry.values.get(key), list):
            rows = entry.entries(key, "objects")
            places = (f"{entry.place}: {key} {number}" for number in range(1, len(rows) + 1))
            return [_from_row(Entry(row, place)) for row, place in zip(rows, places, strict=True)]
    keys = ", ".join(list(map(str, entry.values))[:8]) or "nothing"
    raise DataError(
        f"{entry.place}: has no boxes, but {keys}; expected boxes and classes, or annotations with "
        f"bbox and category"
    )


def _from_columns(entry: Entry, key: str, expected: str) -> Iterator[AnnotatedObject]:
    """Read a list of boxes, and as many classes and flags."""
    boxes = entry.entries(key, "boxes")
    columns = {
        name: values
        for name, values in entry.values.items()
        if isinstance(values, list)
        and name in (*_CLASSES, *_NUMBERS, "crowd", "difficult", "areas")
    }
    for name, values in columns.items():
        if len(values) != len(boxes):
            raise entry.wrong(name, f"one for each of {len(boxes)} boxes")
    for index, box in enumerate(boxes):
        row = Entry(
            {key: box, **{name: values[index] for name, values in columns.items()}},
            f"{entry.place}: box {index + 1}",
        )
        yield AnnotatedObject(
            _class_of(row),
            _box_of(row, key, expected),
            index + 1,
            difficult=row.flag("difficult"),
            crowd=row.flag("crowd"),
            area=_area_of(row, "areas"),
        )


def _from_row(entry: Entry) -> AnnotatedObject:
    """Read an object with its box and class."""
    return AnnotatedObject(
        _class_of(entry),
        _box_of(entry, "bbox", _SIDES),
        crowd=entry.flag("iscrowd"),
        area=_area_of(entry, "area"),
    )


def _box_of(entry: Entry, key: str, expected: str) -> Box:
    first, second, third, fourth = entry.numbers(key, expected)
    if expected == _SIDES:
        return first, second, first + third, second + fourth
    return first, second, third, fourth


def _area_of(entry: Entry, key: str) -> float | None:
    area = as_number(entry.values.get(key))
    return area if area is not None and area > 0 else None


def _class_of(entry: Entry) -> str:
    """Read the class of an object: its name, else its number as text; a blank name is none."""
    for key in _CLASSES:
        if isinstance(value := entry.values.get(key), str) and value.strip():
            return value.strip()
    for key in (*_CLASSES, *_NUMBERS):
        value = entry.values.get(key, "")
        if not isinstance(value, str) or value.strip():
            return str(entry.whole_number(key))
    raise entry.wrong("category", "the name of its class")


def _by_number(name: str) -> tuple[int, str]:
    """Order classes by name, those that are numbers by number."""
    return (int(name), "") if name.isdecimal() and len(name) < 10 else (0, name)
