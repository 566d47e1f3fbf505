"""PASCAL VOC: an XML file for each image, and text files that list the images of a split.

Accepted are a devkit folder (`Annotations/`, `JPEGImages/`, perhaps `ImageSets/Main/`), a folder
that holds one or several such folders (a VOCdevkit root, whose splits are named `2007-trainval`),
and a folder with XML files and images side by side, as labelImg leaves it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree.ElementTree import Element, ElementTree, SubElement, indent

from singleshot.data.formats.format import Format
from singleshot.data.formats.objects import (
    AnnotatedImage,
    AnnotatedObject,
)
from singleshot.data.formats.split_names import choose_split
from singleshot.data.formats.xml_files import (
    format_pixels,
    has_root,
    read_length,
    read_pixels,
    read_root,
)
from singleshot.data.image_suffixes import image_suffixes
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
BOX_TAGS = ("xmin", "ymin", "xmax", "ymax")


@dataclass(frozen=True, slots=True)
class _Devkit:
    """One folder in VOC's layout."""

    annotations: Path
    images: Path
    split_files: dict[str, Path]


@dataclass(frozen=True, slots=True)
class _Annotation:
    """The content of one XML file."""

    xml: Path
    filename: str
    size: tuple[int, int]
    objects: list[AnnotatedObject]

    @property
    def class_names(self) -> set[str]:
        """Class names of its objects."""
        return {one.name for one in self.objects}

    @classmethod
    def of(cls, xml: Path) -> _Annotation:
        """Read the file; DataError when it is malformed."""
        root = read_root(xml, "annotation")
        nodes = enumerate(root.iterfind("object"), start=1)
        return cls(
            xml=xml,
            filename=(root.findtext("filename") or "").strip(),
            size=(
                read_length(root.findtext("size/height")),
                read_length(root.findtext("size/width")),
            ),
            objects=[_read_object(node, f"{xml}: object {index}") for index, node in nodes],
        )


def _recognise(path: Path) -> bool:
    """Check whether the folder has VOC's layout."""
    return path.is_dir() and bool(_devkits(path))


def _splits(path: Path) -> tuple[str, ...]:
    """List the splits that the folder defines, in alphabetical order."""
    return tuple(sorted(name for kit in _devkits(path) for name in kit.split_files))


def _read(path: Path, split: str | None = None) -> DataSet:
    """Read the images of a split, or all with an XML file; classes are those of all XML files.

    Raises:
        DataError: an XML file is malformed, misses something or names a missing image; a split is
            unknown or lists an image without XML file.
    """
    from singleshot.data.formats.annotations import assemble  # noqa: PLC0415 (imports PyTorch)

    chosen = None if split is None else choose_split(split, _splits(path), path)
    class_names: set[str] = set()
    images: list[AnnotatedImage] = []
    for kit in _devkits(path):
        xmls = sorted(without_hidden(kit.annotations.glob("*.xml")))
        annotations = {xml.stem: _Annotation.of(xml) for xml in xmls}
        class_names.update(*(annotation.class_names for annotation in annotations.values()))
        images += _images_of_split(kit, annotations, chosen)
    of_split = "" if chosen is None else f", split {chosen}"
    return assemble(sorted(class_names), images, description=f"VOC layout{of_split} of {path}")


def _write(
    dataset: DataSet, path: Path, *, splits: Mapping[str, Sequence[int]] | None = None
) -> None:
    """Write a devkit folder: XML files, copies of the images, and splits given by their indices.

    VOC has no crowds: they become difficult objects, which no metric counts either.

    Raises:
        DataError: two images have the same name without suffix.
    """
    from singleshot.data.formats.annotations import copy_images  # noqa: PLC0415 (imports PyTorch)

    stems = [Path(name).stem for name in dataset.paths]
    if len(set(stems)) < len(stems):
        twice = next(stem for stem in stems if stems.count(stem) > 1)
        raise DataError(f"{path}: two images are called {twice!r}; VOC needs different names")
    for folder in ("Annotations", "ImageSets/Main"):
        (path / folder).mkdir(parents=True, exist_ok=True)
    for index, image in enumerate(copy_images(dataset, path / "JPEGImages")):
        root = _annotation_node(image, dataset.truth(index), dataset.class_names)
        ElementTree(root).write(path / "Annotations" / f"{image.stem}.xml", encoding="utf-8")
    for name, indices in (splits or {}).items():
        lines = "".join(f"{stems[index]}\n" for index in indices)
        (path / "ImageSets/Main" / f"{name}.txt").write_text(lines, encoding="utf-8")


FORMAT = Format(
    name="VOC",
    layout="VOC (Annotations/*.xml with JPEGImages/, or XML files beside their images)",
    recognise=_recognise,
    splits=_splits,
    read=_read,
    write=_write,
)


def _devkits(path: Path) -> list[_Devkit]:
    """Find the devkit folders: this one, or those in it; none for another layout."""
    if _has_devkit_layout(path):
        return [_devkit(path)]
    inner = sorted(child for child in without_hidden(path.iterdir()) if _has_devkit_layout(child))
    several = len(inner) > 1
    kits = [
        _devkit(child, f"{child.name.removeprefix('VOC')}-" if several else "") for child in inner
    ]
    xmls = without_hidden(path.glob("*.xml"))
    if kits or not any(has_root(xml, "annotation") for xml in xmls):
        return kits
    return [_Devkit(path, path, split_files={})]


def _has_devkit_layout(path: Path) -> bool:
    return any(without_hidden((path / "Annotations").glob("*.xml")))


def _devkit(path: Path, prefix: str = "") -> _Devkit:
    """List the parts of a devkit folder, its splits named with this prefix."""
    files = sorted(without_hidden(path.glob("ImageSets/Main/*.txt")))
    split_files = {prefix + file.stem: file for file in files if not _lists_one_class(file)}
    return _Devkit(path / "Annotations", path / "JPEGImages", split_files)


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


def _read_object(node: Element, where: str) -> AnnotatedObject:
    name = (node.findtext("name") or "").strip()
    if not name:
        raise DataError(f"{where}: has no <name>; add it or remove the object")
    difficult = (node.findtext("difficult") or "0").strip() == "1"
    return AnnotatedObject(name, _read_box(node, f"{where} ({name})"), difficult)


def _read_box(node: Element, where: str) -> tuple[float, float, float, float]:
    """Convert VOC's pixels, which count from 1 and include both ends, to half-open from 0.

    By the letter, xmin = xmax is a box one pixel wide; in fact it is a slip of the mouse, so it
    becomes a box without area.
    """
    x1, y1, x2, y2 = (read_pixels(node.findtext(f"bndbox/{tag}"), tag, where) for tag in BOX_TAGS)
    if x1 >= x2 or y1 >= y2:
        return x1 - 1, y1 - 1, x1 - 1, y1 - 1
    return x1 - 1, y1 - 1, x2, y2


def _images_of_split(
    kit: _Devkit, annotations: Mapping[str, _Annotation], split: str | None
) -> list[AnnotatedImage]:
    """Collect the annotated images of a split; none if it is of another devkit."""
    if split is None:
        chosen: Iterable[_Annotation] = annotations.values()
    elif split in kit.split_files:
        chosen = _annotations_of_split(kit.split_files[split], annotations)
    else:
        return []
    names = _image_names(kit.images)
    return [
        AnnotatedImage(kit.images / _image_of(one, kit, names), one.size, one.objects)
        for one in chosen
    ]


def _image_names(folder: Path) -> dict[str, list[str]]:
    """Map the stems of a folder's image files to their names."""
    names: dict[str, list[str]] = {}
    for file in without_hidden(folder.iterdir()) if folder.is_dir() else ():
        if file.suffix.lower() in image_suffixes():
            names.setdefault(file.stem, []).append(file.name)
    return names


def _annotations_of_split(file: Path, annotations: Mapping[str, _Annotation]) -> list[_Annotation]:
    """Find the annotations that a split file lists, in its order."""
    names = _lines_of(file)
    missing = [name for name in names if name not in annotations]
    if missing:
        raise DataError(
            f"{file}: {len(missing)} of {len(names)} images have no XML file, the first is "
            f"{missing[0]!r}; restore it in Annotations/ or remove the line"
        )
    return [annotations[name] for name in names]


def _image_of(annotation: _Annotation, kit: _Devkit, names: Mapping[str, Sequence[str]]) -> str:
    """Find the image file of the XML's stem, as VOC does, else that of its <filename>.

    <filename> comes second because it grows stale when files are renamed.
    """
    xml, filename = annotation.xml, annotation.filename
    of_stem = names.get(xml.stem, ())
    if of_stem:
        return filename if filename in of_stem else min(of_stem)
    if filename in names.get(Path(filename).stem, ()):
        return filename
    raise DataError(
        f"{xml}: its image is missing: {kit.images} has neither {filename!r} nor {xml.stem} "
        f"with an image's suffix; restore the image or remove the XML file"
    )


def _annotation_node(image: Path, truth: Truth, class_names: Sequence[str]) -> Element:
    """Write the XML of one image."""
    from singleshot.data.images import image_size  # noqa: PLC0415 (imports PyTorch)

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
    """Convert half-open pixels from 0 to VOC's: the inverse of `_read_box`."""
    x1, y1, x2, y2 = box
    for tag, value in zip(BOX_TAGS, (x1 + 1, y1 + 1, x2, y2), strict=True):
        SubElement(node, tag).text = format_pixels(value)
