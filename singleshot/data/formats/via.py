"""VIA, the VGG Image Annotator (version 2 and 1): a project, or its regions as JSON or CSV.

Rectangles are boxes; of polygons, circles and ellipses the box around is taken; points and
polylines have none. The class is the attribute of a region that is named so (`ATTRIBUTES`), or the
only one there is; without attributes it is called "object". Of attributes `difficult` and `crowd`
those that are set are kept. Each file is a split, named by its stem; where a folder has JSON files,
its CSV files are not read, since VIA exports the same as both.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from singleshot.data.findings import Findings, count_of
from singleshot.data.formats.annotations import (
    AnnotatedImage,
    AnnotatedObject,
    Annotations,
    Box,
    with_rest,
)
from singleshot.data.formats.copying import copy_images
from singleshot.data.formats.csv_files import first_row, list_tables, read_rows
from singleshot.data.formats.entries import Entry, begins_with_key, first_json_key, parse_json
from singleshot.data.formats.format import LEFT_OUT, Format
from singleshot.data.formats.split_names import in_split
from singleshot.errors import DataError
from singleshot.files import without_hidden

if TYPE_CHECKING:
    from singleshot.data.dataset import DataSet
else:
    DataSet = Any  # importing it would import PyTorch, which recognising does without

__all__ = ["FORMAT"]

ATTRIBUTES = ("class", "label", "category", "name", "type", "object")  # the first that is there
UNLABELLED = "object"  # the class of a file whose regions have no attribute
FLAGS = ("difficult", "crowd")
WITHOUT_EXTENT = ("point", "polyline")
PROJECT = "_via_img_metadata"  # key of a project under which its images are
COLUMNS = ("filename", "file_attributes", "region_shape_attributes", "region_attributes")
_KEY = re.compile(
    rb'"(?:_via_img_metadata|_via_settings|file_attributes|shape_attributes|base64_img_data)"\s*:'
)


@dataclass(frozen=True)
class _Image:
    """An image as VIA states it, its regions not read yet."""

    name: str
    place: str
    regions: list[Any]


def _recognise(path: Path) -> bool:
    """Check whether this is a file of VIA, or a folder with one."""
    return bool(_files(path))


def _splits(path: Path) -> tuple[str, ...]:
    """List the stems of the files, in alphabetical order."""
    return tuple(_files(path))


def _read(path: Path, split: str | None = None) -> list[Annotations]:
    """Read the images of a split, or of all files; classes in alphabetical order."""
    return [_read_file(file) for file in in_split(_files(path), split, path)]


def _write(
    dataset: DataSet, path: Path, *, splits: Mapping[str, Sequence[int]] | None = None
) -> None:
    """Write a JSON file for each split and copies of the images; images in no split: `with_rest`.

    VIA opens them with its "import annotations (from json)". The class is the attribute `class`.
    """
    images = copy_images(dataset, path / "images")
    for name, indices in with_rest(splits, len(dataset)).items():
        entries = [_entry_of(dataset, index, images[index]) for index in indices]
        content = {f"{entry['filename']}{entry['size']}": entry for entry in entries}
        (path / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")


FORMAT = Format(
    name="VIA",
    layout="VIA (a project or its regions, as JSON or CSV)",
    recognise=_recognise,
    splits=_splits,
    read=_read,
    write=_write,
    without={"area": "become those of the boxes", "id": LEFT_OUT, "classes": LEFT_OUT},
)


def _files(path: Path) -> dict[str, Path]:
    """Map each split to its file: JSON, or CSV where there is no JSON."""
    candidates = [path] if path.is_file() else sorted(without_hidden(path.glob("*.json")))
    found = [file for file in candidates if file.suffix.lower() == ".json" and _is_via(file)]
    found = found or [file for file in list_tables([path]) if _separator(file) is not None]
    return {file.stem: file for file in found}


def _is_via(file: Path) -> bool:
    """Check for a key of VIA in an object; of a large project, in its beginning."""
    return first_json_key(file) not in (None, "[") and begins_with_key(file, _KEY)


def _separator(file: Path) -> str | None:
    """Detect the separator of a table of VIA; None for another table."""
    first = first_row(file, lambda cells: set(COLUMNS) <= set(_header(cells)))
    return None if first is None else first[0]


def _header(cells: Sequence[str]) -> list[str]:
    """List the names of columns; the first begins with # in version 1."""
    return [cell.removeprefix("#").strip() for cell in cells]


def _read_file(file: Path) -> Annotations:
    """Read all images of one file, in its order."""
    findings = Findings()
    if separator := _separator(file):
        stated = list(_images_of_table(file, separator, findings))
    else:
        stated = list(_images_of_json(file, findings))
    attribute = _class_attribute(stated, file)
    images = []
    several = 0
    for one in stated:
        image = AnnotatedImage(one.name, (0, 0), [], one.place)
        for number, values in enumerate(one.regions, start=1):
            place = f"{one.place} ({one.name}), region {number}"
            with findings.collect(place):
                region = Entry(values, place)
                names = _names_of(region, attribute)
                several += len(names) > 1
                if (box := _box_of(region, names[0], findings)) is not None:
                    flags = [_is_set(region, flag) for flag in FLAGS]
                    image.objects.append(AnnotatedObject(names[0], box, number, *flags))
        images.append(image)
    if several:
        regions = count_of(several, "regions")
        findings.add("reader", f"took the first value of {attribute!r} of {regions} with several")
    home = file.parent
    return Annotations(
        home, images, (home, home / "images"), file, entry="region", findings=findings
    )


def _images_of_json(file: Path, findings: Findings) -> Iterator[_Image]:
    """Yield the images of a project, or of its annotations."""
    content = Entry(parse_json(file), str(file))
    if "_via_settings" in content.values and PROJECT not in content.values:
        raise content.wrong(PROJECT, "the images of the project")
    if PROJECT in content.values:
        content = Entry(content.values[PROJECT], f"{file}: {PROJECT}")
    for number, values in enumerate(content.values.values(), start=1):
        place = f"{file}: image {number}"
        with findings.collect(place):
            entry = Entry(values, place)
            regions = entry.values.get("regions", [])
            if isinstance(regions, Mapping):  # version 1: by their numbers
                regions = list(regions.values())
            if not isinstance(regions, list):
                raise entry.wrong("regions", "a list of regions, even an empty one")
            yield _Image(_name_in(entry.text("filename")), place, regions)


def _images_of_table(file: Path, separator: str, findings: Findings) -> Iterator[_Image]:
    """Yield the images of a table, which has a row for each region, or for an image without."""
    rows = read_rows(file, separator)
    header = _header(next(rows).cells)
    images: dict[str, _Image] = {}
    for row in rows:
        place = f"{file}, line {row.line}"
        with findings.collect(place):
            if len(row.cells) != len(header):
                raise DataError(f"{place}: has {len(row.cells)} columns; expected {len(header)}")
            entry = Entry(dict(zip(header, row.cells, strict=True)), place)
            image = images.setdefault(
                entry.text("filename"), _Image(_name_in(entry.text("filename")), place, [])
            )
            shape, attributes = (_json_in(entry, key) for key in COLUMNS[2:])
            if shape:
                image.regions.append({"shape_attributes": shape, "region_attributes": attributes})
    yield from images.values()


def _json_in(entry: Entry, key: str) -> Mapping[str, Any]:
    """Read a cell that holds JSON."""
    try:
        return Entry(json.loads(entry.values[key] or "{}"), entry.place).values
    except (ValueError, RecursionError):
        raise entry.wrong(key, "attributes as JSON") from None


def _name_in(stated: str) -> str:
    """Return the name of an image, which may be stated by its address."""
    if not re.match(r"(?:https?|file)://", stated, re.IGNORECASE):
        return stated
    try:
        return unquote(urlsplit(stated).path).rpartition("/")[2]
    except ValueError:
        return stated


def _class_attribute(images: Sequence[_Image], file: Path) -> str | None:
    """Choose the attribute that is the class; None where no region has any.

    Raises:
        DataError: there are several, and none is named so.
    """
    found: dict[str, None] = {}
    for image in images:
        for region in image.regions:
            attributes = region.get("region_attributes") if isinstance(region, Mapping) else None
            if isinstance(attributes, Mapping):
                found |= dict.fromkeys(map(str, attributes))
    names = [name for name in found if name.strip().lower() not in FLAGS]
    known = [name for word in ATTRIBUTES for name in names if name.strip().lower() == word]
    if known or len(names) <= 1:
        return next(iter(known or names), None)
    raise DataError(
        f"{file}: regions have the attributes {', '.join(map(repr, names))}; name the one that is "
        f"the class 'class' (in VIA: Attributes, Region Attributes)"
    )


def _names_of(region: Entry, attribute: str | None) -> list[str]:
    """List the values of the attribute: one, or those of the check boxes that are set."""
    if attribute is None:
        return [UNLABELLED]
    attributes = Entry(region.values.get("region_attributes", {}), region.place)
    value = attributes.values.get(attribute)
    if isinstance(value, Mapping):
        names = [str(name).strip() for name, is_set in value.items() if is_set]
    else:
        names = [value.strip()] if isinstance(value, str) else []
    if not any(names):
        raise attributes.wrong(attribute, "the class; add it or remove the region")
    return [name for name in names if name]


def _is_set(region: Entry, flag: str) -> bool:
    """Check an attribute that is text, a switch, or a check box."""
    attributes = Entry(region.values.get("region_attributes", {}), region.place)
    name = next((one for one in attributes.values if one.strip().lower() == flag), flag)
    value = attributes.values.get(name)
    return any(value.values()) if isinstance(value, Mapping) else attributes.flag(name)


def _box_of(region: Entry, name: str, findings: Findings) -> Box | None:
    """Compute the box around a shape; None for one without extent."""
    shape = Entry(region.values.get("shape_attributes"), region.place)
    kind = shape.text("name")
    if kind in WITHOUT_EXTENT:
        findings.add("no-box", f"{region.place} ({name}, {kind})")
        return None
    if kind == "rect":
        x, y, width, height = (shape.number(key) for key in ("x", "y", "width", "height"))
        return x, y, x + width, y + height
    if kind in ("circle", "ellipse"):
        return _around_ellipse(shape)
    if kind != "polygon":
        raise shape.wrong("name", "rect, polygon, circle, ellipse, polyline or point")
    xs, ys = (_numbers(shape, key) for key in ("all_points_x", "all_points_y"))
    findings.add("polygon", f"{region.place} ({name})")
    return min(xs), min(ys), max(xs), max(ys)


def _around_ellipse(shape: Entry) -> Box:
    """Compute the box around a circle, or around an ellipse that is turned by theta (radians)."""
    x, y = shape.number("cx"), shape.number("cy")
    if shape.values["name"] == "circle":
        across = down = shape.number("r")
    else:
        rx, ry = shape.number("rx"), shape.number("ry")
        angle = shape.number("theta") if shape.values.get("theta") else 0.0
        across = math.hypot(rx * math.cos(angle), ry * math.sin(angle))
        down = math.hypot(rx * math.sin(angle), ry * math.cos(angle))
    return x - across, y - down, x + across, y + down


def _numbers(shape: Entry, key: str) -> list[float]:
    """Read the coordinates of a polygon, two or more."""
    values = shape.values.get(key)
    count = len(values) if isinstance(values, list) else 0
    return shape.numbers(key, "a list of numbers, two or more", max(count, 2))


def _entry_of(dataset: DataSet, index: int, image: Path) -> dict[str, Any]:
    """Write the entry of one image."""
    truth = dataset.exact_truth(index)
    columns = (truth.boxes, truth.labels, truth.difficult, truth.crowd)
    regions = []
    for (x1, y1, x2, y2), label, *flags in zip(
        *(column.tolist() for column in columns), strict=True
    ):
        shape = {"name": "rect", "x": x1, "y": y1, "width": x2 - x1, "height": y2 - y1}
        attributes = {"class": dataset.class_names[label]}
        attributes |= {flag: "1" for flag, is_set in zip(FLAGS, flags, strict=True) if is_set}
        regions.append({"shape_attributes": shape, "region_attributes": attributes})
    name, size = f"{image.parent.name}/{image.name}", image.stat().st_size
    return {"filename": name, "size": size, "regions": regions, "file_attributes": {}}
