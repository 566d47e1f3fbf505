"""PASCAL VOC: an XML file for each image, and text files that list the images of a split.

Accepted are a devkit folder (`Annotations/`, `JPEGImages/`, perhaps `ImageSets/Main/`; also
`annotations/` or `annots/` with `images/`, as others name them), a folder that holds several such
folders (a VOCdevkit root, whose splits are named `2007-trainval`), and XML files beside their
images, as labelImg leaves them. All of them may have sub-folders.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any
from xml.etree.ElementTree import Element, ElementTree, SubElement, indent

from singleshot.data.findings import Findings
from singleshot.data.formats.annotations import AnnotatedImage, AnnotatedObject, Annotations, Box
from singleshot.data.formats.copying import copy_images
from singleshot.data.formats.entries import as_side
from singleshot.data.formats.format import LEFT_OUT, Format
from singleshot.data.formats.split_names import choose_split, names_split, require_file_names
from singleshot.data.formats.xml_files import (
    format_pixels,
    has_root,
    read_flag,
    read_pixels,
    read_root,
)
from singleshot.data.image_files.suffixes import image_suffixes
from singleshot.errors import DataError
from singleshot.files import without_hidden

if TYPE_CHECKING:
    from singleshot.data.dataset import DataSet
    from singleshot.structures import Truth
else:
    DataSet = Truth = Any  # importing them would import PyTorch, which recognising does without

__all__ = ["FORMAT"]

ONE_CLASS = re.compile(r"\S+\s+(-1|0|1)")  # a line of aeroplane_train.txt, which is no split
MOST_LINES = 10  # read to detect such a file; VOC2012 has sixty of them, with thousands of lines
MOST_PROBES = 3  # XML files opened to recognise a folder of them
SLIVER = 1e-6  # pixels
BOX_TAGS = ("xmin", "ymin", "xmax", "ymax")
ANNOTATION_FOLDERS = ("annotations", "annotation", "annots", "xml", "xmls", "labels")
IMAGE_FOLDERS = ("jpegimages", "images", "image", "imgs", "img", "pictures", "photos")


@dataclass(frozen=True, slots=True)
class _Devkit:
    """One folder in VOC's layout."""

    root: Path
    annotations: Path
    images: Sequence[Path]  # where they are looked for
    split_files: Mapping[str, Path]
    apart: Sequence[Path] = ()  # folders in it that are data sets of their own

    def xmls(self) -> list[Path]:
        """List the XML files, those in sub-folders included."""
        return sorted(
            xml
            for xml in without_hidden(self.annotations.rglob("*.[xX][mM][lL]"))
            if not any(part.startswith(".") for part in xml.relative_to(self.annotations).parts)
            and not any(xml.is_relative_to(folder) for folder in self.apart)
        )

    def stem_of(self, xml: Path) -> str:
        """Return the path of an XML file without suffix, as split files name it."""
        return xml.relative_to(self.annotations).with_suffix("").as_posix()


def _recognise(path: Path) -> bool:
    """Check whether the folder has VOC's layout."""
    return path.is_dir() and bool(_devkits(path))


def _splits(path: Path) -> tuple[str, ...]:
    """List the splits that the folder defines, in alphabetical order."""
    return tuple(sorted(name for kit in _devkits(path) for name in kit.split_files))


def _read(path: Path, split: str | None = None) -> list[Annotations]:
    """Read the images of a split, or all with an XML file; classes are those of all XML files."""
    kits = _devkits(path)
    chosen = None if split is None else choose_split(split, _splits(path), path)
    read = [_read_devkit(kit, chosen) for kit in kits]
    class_names = sorted({name for _, names in read for name in names})
    of_split = [
        one
        for kit, (one, _) in zip(kits, read, strict=True)
        if chosen is None or chosen in kit.split_files
    ]
    for one in of_split:
        one.class_names = class_names
    return of_split


def _write(
    dataset: DataSet, path: Path, *, splits: Mapping[str, Sequence[int]] | None = None
) -> None:
    """Write a devkit folder: XML files, copies of the images, and splits given by their indices.

    VOC has no crowds: they become difficult objects, which no metric counts either.
    """
    require_file_names(splits or {})
    for folder in ("Annotations", "ImageSets/Main"):
        (path / folder).mkdir(parents=True, exist_ok=True)
    copies = copy_images(dataset, path / "JPEGImages", unique_stems=True)
    for index, image in enumerate(copies):
        root = _annotation_node(image, dataset.exact_truth(index), dataset.class_names)
        ElementTree(root).write(path / "Annotations" / f"{image.stem}.xml", encoding="utf-8")
    for name, indices in (splits or {}).items():
        lines = "".join(f"{copies[index].stem}\n" for index in indices)
        (path / "ImageSets/Main" / f"{name}.txt").write_text(lines, encoding="utf-8")


FORMAT = Format(
    name="VOC",
    layout="VOC (Annotations/*.xml with JPEGImages/ or images/, or XML files beside their images)",
    recognise=_recognise,
    splits=_splits,
    read=_read,
    write=_write,
    without={
        "crowd": "become difficult objects",
        "narrow": "are widened to one",
        "area": "become those of the boxes",
        "id": LEFT_OUT,
        "classes": LEFT_OUT,
    },
)


def _devkits(path: Path) -> list[_Devkit]:
    """Find the devkit folders: this one, or those in it; none for another layout."""
    if kit := _devkit(path):
        return [kit]
    folders = sorted(child for child in without_hidden(path.iterdir()) if child.is_dir())
    inner = [kit for folder in folders if (kit := _devkit(folder))]
    if any(names_split(one.name) and _holds_annotations(one) for one in folders):
        return []  # a folder for each split
    loose = without_hidden(path.glob("*.[xX][mM][lL]"))
    if inner and any(has_root(xml, "annotation") for xml in islice(loose, MOST_PROBES)):
        return [_Devkit(path, path, (path,), {}, apart=[kit.root for kit in inner])]
    if len(inner) > 1:
        return [_with_prefix(kit, f"{kit.root.name.removeprefix('VOC')}-") for kit in inner]
    if inner or not _holds_annotations(path):
        return inner
    return [_Devkit(path, path, (path,), split_files={})]


def _devkit(path: Path) -> _Devkit | None:
    """List the parts of a devkit folder; None for another layout."""
    folders = {
        child.name.lower(): child for child in without_hidden(path.iterdir()) if child.is_dir()
    }
    for name in ANNOTATION_FOLDERS:
        if name in folders and _holds_annotations(folders[name]):
            images = [folders[one] for one in IMAGE_FOLDERS if one in folders]
            return _Devkit(path, folders[name], (*images, path, folders[name]), _split_files(path))
    return None


def _with_prefix(kit: _Devkit, prefix: str) -> _Devkit:
    """Name the splits of one of several devkits."""
    files = {prefix + name: file for name, file in kit.split_files.items()}
    return _Devkit(kit.root, kit.annotations, kit.images, files)


def _holds_annotations(folder: Path) -> bool:
    """Check whether there are XML files of annotations, perhaps in sub-folders."""
    xmls = without_hidden(folder.rglob("*.[xX][mM][lL]"))
    return any(has_root(xml, "annotation") for xml in islice(xmls, MOST_PROBES))


def _split_files(path: Path) -> dict[str, Path]:
    """Map the names of splits to the files that list their images."""
    for pattern in ("ImageSets/Main/*.txt", "ImageSets/*.txt"):
        files = sorted(without_hidden(path.glob(pattern)))
        if found := {file.stem: file for file in files if not _lists_one_class(file)}:
            return found
    return {}


def _lists_one_class(file: Path) -> bool:
    """Detect files like aeroplane_train.txt, which mark the images with an aeroplane."""
    first = _lines_of(file, MOST_LINES)
    return bool(first) and all(ONE_CLASS.fullmatch(line) for line in first)


def _lines_of(file: Path, limit: int | None = None) -> list[str]:
    """Read the (first) lines without repetition and without blank ones."""
    # A byte that is no UTF-8 makes a name without XML file, which is reported with its file.
    with file.open(encoding="utf-8-sig", errors="replace") as lines:
        stripped = (line.strip() for line in islice(lines, limit))
        return list(dict.fromkeys(line for line in stripped if line))


def _read_devkit(kit: _Devkit, split: str | None) -> tuple[Annotations, set[str]]:
    """Read the images of a split, or all, and the class names of all XML files."""
    findings = Findings()
    for folder in kit.apart:
        findings.add("reader", f"left out {folder}: a data set of its own in the folder of another")
    images: dict[str, AnnotatedImage] = {}
    xmls = kit.xmls()
    for xml in xmls:
        with findings.collect(str(xml), kind="file"):
            stem = kit.stem_of(xml)
            images[stem] = _read_image(xml, stem, findings)
    class_names = {one.name for image in images.values() for one in image.objects}
    chosen: Iterable[AnnotatedImage] = images.values()
    if split is not None and split in kit.split_files:
        unread = {kit.stem_of(xml) for xml in xmls} - images.keys()  # reported already
        chosen = _images_of_split(kit.split_files[split], images, unread, findings)
    annotations = Annotations(
        root=kit.root,
        images=list(chosen),
        folders=kit.images,
        file=kit.annotations,
        complete=kit.images[:1] if split is None and not kit.apart else (),
        origin=1,
        findings=findings,
    )
    return annotations, class_names


def _images_of_split(
    file: Path, images: Mapping[str, AnnotatedImage], unread: Collection[str], findings: Findings
) -> Iterator[AnnotatedImage]:
    """Find the annotations that a split file lists, in its order."""
    names = _lines_of(file)
    missing = []
    for name in names:
        found = next((one for one in _stems(name) if one in images), None)
        if found is not None:
            yield images[found]
        elif not any(one in unread for one in _stems(name)):
            missing.append(name)
    if missing:
        findings.add(
            "entry",
            str(file),
            f"{len(missing)} of {len(names)} images have no XML file, the first is {missing[0]!r}",
        )


def _stems(line: str) -> Iterator[str]:
    """Yield what the line of a split file may name: a stem, a file, a path."""
    plain = line.replace("\\", "/")
    yield plain
    path = PurePosixPath(plain)
    if path.suffix.lower() in {*image_suffixes(), ".xml"}:
        path = path.with_suffix("")
    yield path.as_posix()
    for start in range(1, len(path.parts)):
        yield "/".join(path.parts[start:])


def _read_image(xml: Path, stem: str, findings: Findings) -> AnnotatedImage:
    """Read one XML file; DataError when it is malformed."""
    root = read_root(xml, "annotation")
    objects = []
    for index, node in enumerate(root.iterfind("object"), start=1):
        place = f"{xml}: object {index}"
        with findings.collect(place):
            objects += _read_objects(node, index, place, findings)
    height, width = (as_side(root.findtext(f"size/{tag}")) for tag in ("height", "width"))
    # <filename> comes second because it grows stale when files are renamed.
    filename = (root.findtext("filename") or "").strip()
    return AnnotatedImage(filename, (height, width), objects, str(xml), stem=stem)


def _read_objects(
    node: Element, number: int, place: str, findings: Findings
) -> list[AnnotatedObject]:
    """Read an `<object>`: each of its boxes is one."""
    name = (node.findtext("name") or "").strip()
    if not name:
        raise DataError(f"{place}: has no <name>; add it or remove the object")
    difficult = read_flag(node.findtext("difficult"), "difficult", place)
    place = f"{place} ({name})"
    nodes = node.findall("bndbox")
    if nodes:
        boxes = [_read_box(one, place, findings) for one in nodes]
    else:
        boxes = [_box_around(_polygon_of(node, place))]
        findings.add("polygon", place)
    if len(boxes) > 1:
        findings.add("several-boxes", place)
    return [AnnotatedObject(name, box, number, difficult) for box in boxes]


def _read_box(node: Element, place: str, findings: Findings) -> Box:
    """Convert VOC's pixels, which count from 1 and include both ends, to half-open from 0.

    By the letter, xmin = xmax is a box one pixel wide; in fact it is a slip of the mouse, so it
    becomes a box without area.
    """
    x1, y1, x2, y2 = (read_pixels(node.findtext(tag), tag, place) for tag in BOX_TAGS)
    if x1 > x2 or y1 > y2:
        findings.add("swapped", place)
        x1, y1, x2, y2 = min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)
    return x1 - 1, y1 - 1, x2 - (x1 == x2), y2 - (y1 == y2)


def _polygon_of(node: Element, place: str) -> list[tuple[float, float]]:
    """Read the corners of a `<polygon>`: `<x1>`, `<y1>`, `<x2>` … or `<pt><x>`, `<y>`."""
    polygon = node.find("polygon")
    if polygon is None:
        raise DataError(f"{place}: has no <bndbox>; add it or remove the object")
    points = [(one.findtext("x"), one.findtext("y")) for one in polygon.iterfind("pt")]
    number = 1
    while polygon.find(f"x{number}") is not None:
        points.append((polygon.findtext(f"x{number}"), polygon.findtext(f"y{number}")))
        number += 1
    if not points:
        raise DataError(f"{place}: has a <polygon> without corners; expected <x1>, <y1>, <x2> …")
    return [(read_pixels(x, "x", place), read_pixels(y, "y", place)) for x, y in points]


def _box_around(points: Sequence[tuple[float, float]]) -> Box:
    """Convert the corners of a polygon, whole pixels from 1, to the box around them."""
    xs, ys = zip(*points, strict=True)
    return min(xs) - 1, min(ys) - 1, max(xs), max(ys)


def _annotation_node(image: Path, truth: Truth, class_names: Sequence[str]) -> Element:
    """Write the XML of one image."""
    from singleshot.data.image_files.decoding import image_size  # noqa: PLC0415 (imports PyTorch)

    root = Element("annotation")
    SubElement(root, "filename").text = image.name
    size = SubElement(root, "size")
    for tag, value in zip(("height", "width", "depth"), (*image_size(image), 3), strict=True):
        SubElement(size, tag).text = str(value)
    difficult = (truth.difficult | truth.crowd).tolist()
    for box, label, hard in zip(
        truth.boxes.tolist(), truth.labels.tolist(), difficult, strict=True
    ):
        node = SubElement(root, "object")
        SubElement(node, "name").text = class_names[label]
        SubElement(node, "difficult").text = str(int(hard))
        _write_box(SubElement(node, "bndbox"), box)
    indent(root)
    return root


def _write_box(node: Element, box: Sequence[float]) -> None:
    """Convert half-open pixels from 0 to VOC's: the inverse of `_read_box`.

    A box narrower than a pixel is widened; one a pixel wide stays apart from a slip of the mouse.
    """
    x1, y1, x2, y2 = box
    x2, y2 = max(x2, x1 + 1 + SLIVER), max(y2, y1 + 1 + SLIVER)
    for tag, value in zip(BOX_TAGS, (x1 + 1, y1 + 1, x2, y2), strict=True):
        SubElement(node, tag).text = format_pixels(value)
