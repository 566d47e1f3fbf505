"""CVAT: one XML file for a task or a project, with all its images or the frames of its videos.

Accepted are "CVAT for images 1.1" and "CVAT for video 1.1": `annotations.xml`, alone or in a folder
with the images, which CVAT puts into `images/` or `images/SUBSET/`. Subsets are splits. Frames of a
video are looked for as extracted images, `frame_000017.jpg`; a frame in which no track has a box is
not annotated. Pixels count from 0, and boxes are half-open as ours are.

Boxes are read as they are; of polygons and of rotated boxes the box around them. Masks, points and
other shapes are counted and left out. The attributes `is_crowd` or `group_of` and `difficult` have
the meaning that CVAT's own converters give them.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from html import unescape
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree.ElementTree import Element, ElementTree, SubElement, indent

from singleshot.data.findings import Findings
from singleshot.data.formats.annotations import AnnotatedImage, AnnotatedObject, Annotations, Box
from singleshot.data.formats.copying import copy_images
from singleshot.data.formats.entries import as_side
from singleshot.data.formats.format import LEFT_OUT, Format
from singleshot.data.formats.split_names import choose_split
from singleshot.data.formats.xml_files import (
    format_pixels,
    has_root,
    read_flag,
    read_pixels,
    read_root,
)
from singleshot.errors import DataError
from singleshot.files import without_hidden

if TYPE_CHECKING:
    from singleshot.data.dataset import DataSet
else:
    DataSet = Any  # importing them would import PyTorch, which recognising does without

__all__ = ["FORMAT"]

ROOT = "annotations"
SUBSET = re.compile(rb"""<(?:image|track)\s[^>]*?\bsubset=["']([^"'>]*)["']""")
CORNERS = ("xtl", "ytl", "xbr", "ybr")
SHAPES = ("box", "polygon")  # that are read
WITHOUT_BOX = ("cuboid", "ellipse", "mask", "points", "polyline", "skeleton", "tag")
CROWD, DIFFICULT = ("is_crowd", "iscrowd", "group_of"), ("difficult",)
YES = ("1", "true", "yes")


def _recognise(path: Path) -> bool:
    """Check whether this is a file of CVAT, or a folder with one."""
    return bool(_files(path))


def _splits(path: Path) -> tuple[str, ...]:
    """List the subsets of the files, in alphabetical order; of several without, their stems."""
    files = _files(path)
    subsets = {one for file in files for one in _subsets(file)}
    if not subsets and len(files) > 1:
        subsets = {file.stem for file in files}
    return tuple(sorted(subsets))


def _read(path: Path, split: str | None = None) -> list[Annotations]:
    """Read the images of a split, or of all files; classes in the order of CVAT's labels."""
    files = _files(path)
    if split is None:
        return [_read_file(file, None) for file in files]
    chosen = choose_split(split, _splits(path), path)
    of_subset = [file for file in files if chosen in _subsets(file)]
    if of_subset:
        return [_read_file(file, chosen) for file in of_subset]
    return [_read_file(file, None) for file in files if file.stem == chosen]


def _write(
    dataset: DataSet, path: Path, *, splits: Mapping[str, Sequence[int]] | None = None
) -> None:
    """Write `annotations.xml` of CVAT for images, and copies of the images; splits are subsets."""
    images = copy_images(dataset, path / "images")
    smallest_last = sorted((splits or {}).items(), key=lambda split: -len(split[1]))
    subset_of = {index: name for name, indices in smallest_last for index in indices}
    root = Element(ROOT)
    SubElement(root, "version").text = "1.1"
    _write_labels(SubElement(SubElement(SubElement(root, "meta"), "task"), "labels"), dataset)
    for index, image in enumerate(images):
        node = _image_node(dataset, index, image)
        if index in subset_of:
            node.set("subset", subset_of[index])
        root.append(node)
    indent(root)
    ElementTree(root).write(path / "annotations.xml", encoding="utf-8", xml_declaration=True)


FORMAT = Format(
    name="CVAT",
    layout="CVAT (annotations.xml of CVAT for images 1.1 or for video 1.1)",
    recognise=_recognise,
    splits=_splits,
    read=_read,
    write=_write,
    without={
        "overlap": "are in the smallest of them alone",
        "area": "become those of the boxes",
        "id": LEFT_OUT,
    },
)


def _files(path: Path) -> list[Path]:
    """List the files of CVAT: this one, or those in the folder."""
    found = [path] if path.is_file() else sorted(without_hidden(path.glob("*.[xX][mM][lL]")))
    return [xml for xml in found if xml.suffix.lower() == ".xml" and has_root(xml, ROOT)]


def _subsets(xml: Path) -> set[str]:
    """Find the subsets that a file names, without parsing it."""
    found = set(SUBSET.findall(xml.read_bytes())) - {b""}
    return {unescape(name.decode("utf-8", "replace")) for name in found}


def _read_file(xml: Path, subset: str | None) -> Annotations:
    """Read the images of one file, or those of a subset, in its order."""
    findings = Findings()
    root = read_root(xml, ROOT)
    home = xml.parent
    images = [
        *_read_images(root, xml, subset, findings),
        *_read_frames(root, xml, subset, findings),
    ]
    left_out: Counter[str] = Counter()
    for shape in WITHOUT_BOX:
        left_out[shape] = sum(1 for _ in root.iter(shape))
    for shape, count in left_out.items():
        if count:
            findings.add("reader", f"left out {count:,} of type {shape}, which has no box")
    folders = (home / "images", home, *((home / "images" / subset,) if subset else ()))
    return Annotations(
        root=home,
        images=images,
        folders=folders,
        file=xml,
        class_names=_class_names(root, images),
        entry="shape",
        # The other frames of a video, if they are extracted too.
        complete=folders[:1] if subset is None and root.find("track") is not None else (),
        findings=findings,
    )


def _class_names(root: Element, images: Sequence[AnnotatedImage]) -> list[str]:
    """List the labels in CVAT's order, then those that only shapes have."""
    names = [
        (label.findtext("name") or "").strip()
        for label in root.iterfind("meta//labels/label")
        if not label.findtext("parent")  # a part of a skeleton
    ]
    used = sorted({one.name for image in images for one in image.objects})
    return [name for name in dict.fromkeys((*names, *used)) if name]


def _read_images(
    root: Element, xml: Path, subset: str | None, findings: Findings
) -> Iterator[AnnotatedImage]:
    """Read each `<image>`, of one subset or of all."""
    for index, node in enumerate(root.iterfind("image"), start=1):
        own = node.get("subset", "")
        if subset not in (None, own):
            continue
        name = (node.get("name") or "").strip()
        place = f"{xml}: image {index}"
        if not name:
            findings.add("entry", place, "has no name")
            continue
        place += f" ({name})"
        objects = []
        shapes = [child for child in node if child.tag in SHAPES]
        for number, shape in enumerate(shapes, start=1):
            where = f"{place}, {shape.tag} {number}"
            with findings.collect(where):
                objects.append(_read_shape(shape, shape.get("label"), number, where, findings))
        size = as_side(node.get("height")), as_side(node.get("width"))
        yield AnnotatedImage(name, size, objects, place, folder=_folder(xml, own))


def _read_frames(
    root: Element, xml: Path, subset: str | None, findings: Findings
) -> list[AnnotatedImage]:
    """Read the shapes of all tracks, frame by frame.

    CVAT writes a track's box in every frame, those it has interpolated too; with `outside="1"` the
    object has left.
    """
    size = _video_size(root)
    frames: dict[tuple[str, int], AnnotatedImage] = {}
    for index, track in enumerate(root.iterfind("track"), start=1):
        own = track.get("subset", "")
        if subset not in (None, own):
            continue
        for shape in (child for child in track if child.tag in SHAPES):
            place = f"{xml}: track {index}, frame {shape.get('frame')}"
            with findings.collect(place):
                number = _frame_number(shape, place)
                if read_flag(shape.get("outside"), "outside", place):
                    continue
                read = _read_shape(shape, track.get("label"), index, place, findings)
                key = (own, number)
                if key not in frames:
                    stem, where = f"frame_{number:06d}", f"{xml}: frame {number}"
                    frames[key] = AnnotatedImage(
                        "", size, [], where, stem=stem, folder=_folder(xml, own)
                    )
                frames[key].objects.append(read)
    return [frames[key] for key in sorted(frames)]


def _folder(xml: Path, subset: str) -> Path | None:
    """Return the folder of a subset's images; None for one that leads elsewhere."""
    plain = subset and not set(subset) & set("/\\\0") and subset not in (".", "..")
    return xml.parent / "images" / subset if plain else None


def _video_size(root: Element) -> tuple[int, int]:
    """Read the (height, width) of the video; (0, 0) where several differ or none is stated."""
    sizes = {
        (as_side(one.findtext("height")), as_side(one.findtext("width")))
        for one in root.iterfind("meta//original_size")
    }
    return sizes.pop() if len(sizes) == 1 else (0, 0)


def _frame_number(shape: Element, place: str) -> int:
    """Read the number of a frame."""
    text = shape.get("frame") or ""
    if not text.isdecimal() or len(text) > 9:
        raise DataError(f"{place}: frame is {text!r}; expected a number from 0")
    return int(text)


def _read_shape(
    node: Element, label: str | None, number: int, place: str, findings: Findings
) -> AnnotatedObject:
    """Read a `<box>` or `<polygon>`."""
    name = (label or "").strip()
    if not name:
        raise DataError(f"{place}: has no label; add it or remove the shape")
    box = _read_box(node, place, findings) if node.tag == "box" else _around(node, place, findings)
    marked = {
        (one.get("name") or "").strip().lower()
        for one in node.iterfind("attribute")
        if (one.text or "").strip().lower() in YES
    }
    return AnnotatedObject(
        name,
        box,
        number,
        difficult=not marked.isdisjoint(DIFFICULT),
        crowd=not marked.isdisjoint(CROWD),
    )


def _read_box(node: Element, place: str, findings: Findings) -> Box:
    """Read a box; of a rotated one, by degrees clockwise about its centre, the box around it."""
    x1, y1, x2, y2 = (read_pixels(node.get(corner), corner, place) for corner in CORNERS)
    angle = math.radians(read_pixels(node.get("rotation", "0"), "rotation", place))
    if not angle:
        return x1, y1, x2, y2
    findings.add("rotated", place)
    along, across = abs(math.cos(angle)), abs(math.sin(angle))
    width, height = abs(x2 - x1), abs(y2 - y1)
    right = (width * along + height * across) / 2
    down = (width * across + height * along) / 2
    x, y = (x1 + x2) / 2, (y1 + y2) / 2
    return x - right, y - down, x + right, y + down


def _around(node: Element, place: str, findings: Findings) -> Box:
    """Read the box around a polygon, `points="x,y;x,y;…"`."""
    pairs = [pair.split(",") for pair in (node.get("points") or "").split(";")]
    if any(len(pair) != 2 for pair in pairs):
        raise DataError(f"{place}: points is {node.get('points')!r}; expected x,y;x,y;…")
    xs = [read_pixels(x, "x", place) for x, _ in pairs]
    ys = [read_pixels(y, "y", place) for _, y in pairs]
    findings.add("polygon", place)
    return min(xs), min(ys), max(xs), max(ys)


def _write_labels(node: Element, dataset: DataSet) -> None:
    """Write the classes, with the attributes of ours that CVAT's converters know."""
    for name in dataset.class_names:
        label = SubElement(node, "label")
        SubElement(label, "name").text = name
        attributes = SubElement(label, "attributes")
        for flag in (CROWD[0], DIFFICULT[0]):
            attribute = SubElement(attributes, "attribute")
            values = ("name", flag), ("mutable", "False"), ("input_type", "checkbox")
            for tag, text in (*values, ("default_value", "false"), ("values", "false")):
                SubElement(attribute, tag).text = text


def _image_node(dataset: DataSet, index: int, image: Path) -> Element:
    """Write one `<image>`."""
    from singleshot.data.image_files.decoding import image_size  # noqa: PLC0415 (imports PyTorch)

    height, width = image_size(image)
    size = {"width": str(width), "height": str(height)}
    node = Element("image", {"id": str(index), "name": image.name, **size})
    truth = dataset.exact_truth(index)
    flags = zip(truth.crowd.tolist(), truth.difficult.tolist(), strict=True)
    for box, label, (crowd, difficult) in zip(
        truth.boxes.tolist(), truth.labels.tolist(), flags, strict=True
    ):
        corners = {key: format_pixels(side) for key, side in zip(CORNERS, box, strict=True)}
        shape = SubElement(
            node, "box", {"label": dataset.class_names[label], "occluded": "0", **corners}
        )
        for flag, value in ((CROWD[0], crowd), (DIFFICULT[0], difficult)):
            SubElement(shape, "attribute", {"name": flag}).text = str(value).lower()
    return node
