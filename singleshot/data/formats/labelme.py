"""LabelMe: a JSON file for each image, beside it, with the shapes drawn on it.

Rectangles are boxes; of polygons, circles and masks the box around is taken; points and lines have
none. Each shape is an object, also one of a group. A shape's flags `difficult` and `crowd` are
those of the object. The file names its image by `imagePath`, seen from its own folder. Where the
files are in sub-folders alone, each of these is a split.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from singleshot.data.findings import Findings
from singleshot.data.formats.annotations import (
    AnnotatedImage,
    AnnotatedObject,
    Annotations,
    Box,
    with_rest,
)
from singleshot.data.formats.copying import copy_images
from singleshot.data.formats.entries import Entry, as_number, first_json_key, parse_json
from singleshot.data.formats.format import LEFT_OUT, Format
from singleshot.data.formats.split_names import choose_split
from singleshot.errors import DataError
from singleshot.files import walk_files, without_hidden

if TYPE_CHECKING:
    from singleshot.data.dataset import DataSet
else:
    DataSet = Any  # importing it would import PyTorch, which recognising does without

__all__ = ["FORMAT"]

KEYS = (  # a file begins with one of them
    "version",
    "flags",
    "shapes",
    "lineColor",
    "fillColor",
    "imagePath",
    "imageData",
    "imageHeight",
    "imageWidth",
)
WITHOUT_EXTENT = ("point", "points", "line", "linestrip")
MOST_FILES = 100_000  # looked at to recognise a folder
MOST_PROBES = 3  # JSON files opened to recognise a folder of them
_PROBED = 1 << 16  # bytes at either end; between them may be the image
_HAS_SHAPES = re.compile(rb'"shapes"\s*:\s*\[')
_VERSION = "5.5.0"  # of LabelMe, whose files these are like


def _recognise(path: Path) -> bool:
    """Check whether this is such a JSON file, or a folder with some, perhaps in sub-folders."""
    if path.is_file():
        return _is_json(path) and _is_labelme(path)
    jsons = (file for file in islice(walk_files(path), MOST_FILES) if _is_json(file))
    return any(map(_is_labelme, islice(jsons, MOST_PROBES)))


def _splits(path: Path) -> tuple[str, ...]:
    """List the sub-folders with JSON files, if there is none above."""
    if path.is_file() or any(without_hidden(path.glob("*.json"))):
        return ()
    folders = sorted(child for child in without_hidden(path.iterdir()) if child.is_dir())
    return tuple(folder.name for folder in folders if any(_jsons(folder)))


def _read(path: Path, split: str | None = None) -> list[Annotations]:
    """Read the images of a sub-folder, or all; classes are those of all files, by name."""
    root = path if path.is_dir() else path.parent
    folder = path if split is None else path / choose_split(split, _splits(path), path)
    findings = Findings()
    files = [path] if path.is_file() else _jsons(path)
    read: list[tuple[Path, AnnotatedImage]] = []
    for file in files:
        with findings.collect(str(file), kind="file"):
            read.append((file, _read_file(file, root, findings)))
    names = {one.name for _, image in read for one in image.objects}
    return [
        Annotations(
            root,
            [image for file, image in read if file.is_relative_to(folder)],
            (root, root / "images"),
            path,
            class_names=sorted(names),
            entry="shape",
            findings=Findings(
                [one for one in findings if split is None or _is_in(one.place, folder)]
            ),
        )
    ]


def _write(
    dataset: DataSet, path: Path, *, splits: Mapping[str, Sequence[int]] | None = None
) -> None:
    """Write a folder for each split with copies of the images and a JSON file beside each.

    An image in several splits is in the folder of the smallest, one in none in `all/`.
    """
    copies = copy_images(dataset, path, unique_stems=True)
    folders: dict[int, str] = {}
    complete = with_rest(splits, len(dataset))
    for name, indices in sorted(complete.items(), key=lambda split: len(split[1])):
        for index in indices:
            folders.setdefault(index, name if splits else "")
    for index, image in enumerate(copies):
        home = path / folders[index]
        home.mkdir(exist_ok=True)
        beside = home / f"{image.stem}.json"
        content = _content_of(dataset, index, image.replace(home / image.name))
        beside.write_text(json.dumps(content, indent=2), encoding="utf-8")


FORMAT = Format(
    name="LabelMe",
    layout="LabelMe (JSON files with shapes and imagePath, beside their images)",
    recognise=_recognise,
    splits=_splits,
    read=_read,
    write=_write,
    without={
        "overlap": "are in the folder of the smallest split alone",
        "area": "become those of the boxes",
        "id": LEFT_OUT,
        "classes": LEFT_OUT,
    },
)


def _jsons(folder: Path) -> list[Path]:
    """List the JSON files in a folder and those below."""
    return [file for file in walk_files(folder) if _is_json(file)]


def _is_json(file: Path) -> bool:
    return file.suffix.lower() == ".json"


def _is_labelme(file: Path) -> bool:
    """Check for a list of shapes, which may lie before or behind the whole image as text."""
    if first_json_key(file) not in KEYS:
        return False
    with file.open("rb") as opened:
        begin = opened.read(_PROBED)
        opened.seek(max(opened.seek(0, os.SEEK_END) - _PROBED, 0))
        end = opened.read()
    return _HAS_SHAPES.search(begin) is not None or _HAS_SHAPES.search(end) is not None


def _is_in(place: str, folder: Path) -> bool:
    return place.startswith(f"{folder}{os.sep}")


def _read_file(file: Path, root: Path, findings: Findings) -> AnnotatedImage:
    """Read one JSON file; DataError when it is malformed."""
    entry = Entry(parse_json(file), str(file))
    objects = []
    for number, values in enumerate(entry.entries("shapes", "shapes"), start=1):
        place = f"{file}: shape {number}"
        with findings.collect(place):
            if one := _read_shape(Entry(values, place), number, findings):
                objects.append(one)
    folder, name = _image_of(entry, file, root)
    size = entry.side("imageHeight"), entry.side("imageWidth")
    # The name of the image may be stale, as after renaming both files.
    stem = None if (folder / name).is_file() else file.stem
    return AnnotatedImage(name, size, objects, str(file), stem, folder)


def _image_of(entry: Entry, file: Path, root: Path) -> tuple[Path, str]:
    r"""Return folder and name of the image: imagePath may be `..\images\a.jpg` or absolute.

    A path out of the data set is not followed: of it the name counts.
    """
    stated = entry.values.get("imagePath")
    parts = re.split(r"[\\/]+", stated.strip()) if isinstance(stated, str) else []
    if not parts or parts[-1] in ("", ".", ".."):
        return file.parent, f"{file.stem}.jpg"
    folder = Path(os.path.normpath(file.parent.joinpath(*filter(None, parts[:-1]))))
    inside = (
        parts[0] != "" and ":" not in parts[0] and folder.is_relative_to(os.path.normpath(root))
    )
    return folder if inside and "\0" not in str(folder) else file.parent, parts[-1]


def _read_shape(entry: Entry, number: int, findings: Findings) -> AnnotatedObject | None:
    """Read a shape; None for one that is no object."""
    name = entry.text("label")
    kind = entry.values.get("shape_type")
    points = [_point(entry, one) for one in entry.entries("points", "points [x, y]")]
    if kind in WITHOUT_EXTENT or not points:
        findings.add("no-box", f"{entry.place} ({name}, {kind})")
        return None
    if kind == "circle":
        if len(points) != 2:
            raise entry.wrong("points", "the centre of a circle and a point on it")
        box = _around_circle(*points)
    else:
        if len(points) < 2:
            raise entry.wrong("points", "two corners or more")
        xs, ys = zip(*points, strict=True)
        box = min(xs), min(ys), max(xs), max(ys)
    if kind not in ("rectangle", "circle") and len(points) > 2:
        findings.add("polygon", f"{entry.place} ({name})")
    stated = entry.values.get("flags")
    flags = Entry(stated if isinstance(stated, Mapping) else {}, entry.place)
    return AnnotatedObject(name, box, number, flags.flag("difficult"), flags.flag("crowd"))


def _point(entry: Entry, value: Any) -> tuple[float, float]:
    """Read [x, y] in pixels."""
    if isinstance(value, Sequence) and not isinstance(value, str) and len(value) == 2:
        x, y = map(as_number, value)
        if x is not None and y is not None:
            return x, y
    raise DataError(
        f"{entry.place}: a point is {json.dumps(value)[:60]}; expected [x, y] in pixels"
    )


def _around_circle(centre: tuple[float, float], edge: tuple[float, float]) -> Box:
    """Return the box around a circle."""
    (x, y), radius = centre, math.dist(centre, edge)
    return x - radius, y - radius, x + radius, y + radius


def _content_of(dataset: DataSet, index: int, image: Path) -> dict[str, Any]:
    """Write the JSON of one image, which lies beside."""
    from singleshot.data.image_files.decoding import image_size  # noqa: PLC0415 (imports PyTorch)

    truth = dataset.exact_truth(index)
    columns = (truth.boxes, truth.labels, truth.difficult, truth.crowd)
    height, width = image_size(image)
    shapes = [
        {
            "label": dataset.class_names[label],
            "points": [[x1, y1], [x2, y2]],
            "group_id": None,
            "description": "",
            "shape_type": "rectangle",
            "flags": {
                key: True for key, value in (("difficult", difficult), ("crowd", crowd)) if value
            },
        }
        for (x1, y1, x2, y2), label, difficult, crowd in zip(
            *(column.tolist() for column in columns), strict=True
        )
    ]
    return {
        "version": _VERSION,
        "flags": {},
        "shapes": shapes,
        "imagePath": image.name,
        "imageData": None,
        "imageHeight": height,
        "imageWidth": width,
    }
