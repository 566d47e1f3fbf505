"""PASCAL VOC: an XML file an image, and text files that list the images of a split.

Taken are a devkit folder (`Annotations/`, `JPEGImages/`, perhaps `ImageSets/Main/`), a folder that
holds one or several such folders (a VOCdevkit root, whose splits are named `2007-trainval`), and a
folder with XML files and images side by side, as labelImg leaves it.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from xml.etree.ElementTree import Element, ElementTree, SubElement, indent

from singleshot.data.dataset import DataSet
from singleshot.data.formats.annotations import (
    AnnotatedImage,
    AnnotatedObject,
    assemble,
    finite,
)
from singleshot.data.formats.splits import choose_split
from singleshot.data.formats.xml_files import opens_with, parsed
from singleshot.data.images import IMAGE_SUFFIXES, image_size
from singleshot.errors import DataError
from singleshot.structures import Truth

__all__ = ["LAYOUT", "read", "recognises", "splits", "write"]

LAYOUT = "VOC (Annotations/*.xml with JPEGImages/, or XML files beside their images)"
OF_ONE_CLASS = re.compile(r"\S+\s+(-1|0|1)")  # a line of aeroplane_train.txt, which is no split
PROBED = 10  # lines that tell such a file; VOC2012 has sixty of them, with thousands of lines
BOX_TAGS = ("xmin", "ymin", "xmax", "ymax")


@dataclass(frozen=True, slots=True)
class Devkit:
    """One folder in VOC's layout."""

    annotations: Path
    images: Path
    split_files: dict[str, Path]


@dataclass(frozen=True, slots=True)
class Annotation:
    """What one XML file states."""

    xml: Path
    filename: str
    size: tuple[int, int]
    objects: list[AnnotatedObject]

    @property
    def class_names(self) -> set[str]:
        """Of its objects."""
        return {found.name for found in self.objects}

    @classmethod
    def of(cls, xml: Path) -> Annotation:
        """Read the file; DataError when it is malformed."""
        root = parsed(xml, "annotation")
        nodes = enumerate(root.iterfind("object"), start=1)
        return cls(
            xml=xml,
            filename=(root.findtext("filename") or "").strip(),
            size=(read_length(root, "size/height"), read_length(root, "size/width")),
            objects=[read_object(node, f"{xml}: object {index}") for index, node in nodes],
        )


def recognises(path: Path) -> bool:
    """Whether the folder has VOC's layout."""
    return path.is_dir() and bool(devkits(path))


def splits(path: Path) -> tuple[str, ...]:
    """Names of the splits that the folder defines, in alphabetical order."""
    return tuple(sorted(name for kit in devkits(path) for name in kit.split_files))


def read(path: Path, split: str | None = None) -> DataSet:
    """The images of a split, or all that have an XML file; classes are those of all XML files.

    Raises:
        DataError: an XML file is malformed, misses something or names a missing image; a split is
            unknown or lists an image without XML file.
    """
    chosen = None if split is None else choose_split(split, splits(path), path)
    class_names: set[str] = set()
    images: list[AnnotatedImage] = []
    for kit in devkits(path):
        annotations = {
            xml.stem: Annotation.of(xml) for xml in sorted(kit.annotations.glob("*.xml"))
        }
        class_names.update(*(annotation.class_names for annotation in annotations.values()))
        images += gather(kit, annotations, chosen)
    of_split = "" if chosen is None else f", split {chosen}"
    return assemble(sorted(class_names), images, description=f"VOC layout{of_split} of {path}")


def devkits(path: Path) -> list[Devkit]:
    """The folder itself, or those in it; none when it has another layout."""
    if has_devkit_layout(path):
        return [devkit(path)]
    inner = sorted(child for child in path.iterdir() if has_devkit_layout(child))
    several = len(inner) > 1
    kits = [
        devkit(child, f"{child.name.removeprefix('VOC')}-" if several else "") for child in inner
    ]
    if kits or not any(opens_with(xml, "annotation") for xml in path.glob("*.xml")):
        return kits
    return [Devkit(path, path, split_files={})]


def has_devkit_layout(path: Path) -> bool:
    return any((path / "Annotations").glob("*.xml"))


def devkit(path: Path, prefix: str = "") -> Devkit:
    """One devkit folder, its splits named with this prefix."""
    files = sorted(path.glob("ImageSets/Main/*.txt"))
    split_files = {prefix + file.stem: file for file in files if not is_of_one_class(file)}
    return Devkit(path / "Annotations", path / "JPEGImages", split_files)


def is_of_one_class(file: Path) -> bool:
    """Whether the file is like aeroplane_train.txt, which tells who has an aeroplane."""
    first = lines_of(file, PROBED)
    return bool(first) and all(OF_ONE_CLASS.fullmatch(line) for line in first)


def lines_of(file: Path, limit: int | None = None) -> list[str]:
    """The (first) lines without repetition, blank ones left out."""
    # A byte that is no UTF-8 makes a name without XML file, which is reported with its place.
    with file.open(encoding="utf-8-sig", errors="replace") as lines:
        stripped = (line.strip() for line in islice(lines, limit))
        return list(dict.fromkeys(line for line in stripped if line))


def read_length(root: Element, tag: str) -> int:
    """A side of the image in pixels; 0 when it is not stated in a way that can be used."""
    try:
        return int(finite(root.findtext(tag)))
    except (TypeError, ValueError):
        return 0


def read_object(node: Element, place: str) -> AnnotatedObject:
    name = (node.findtext("name") or "").strip()
    if not name:
        raise DataError(f"{place}: has no <name>; add it or remove the object")
    difficult = (node.findtext("difficult") or "0").strip() == "1"
    return AnnotatedObject(name, read_box(node, f"{place} ({name})"), difficult)


def read_box(node: Element, place: str) -> tuple[float, float, float, float]:
    """VOC counts pixels from 1 and includes both ends; we are half-open from 0.

    By the letter, xmin = xmax is a box one pixel wide; in fact it is a slip of the mouse, so it
    becomes a box without area.
    """
    x1, y1, x2, y2 = (read_number(node, tag, place) for tag in BOX_TAGS)
    if x1 >= x2 or y1 >= y2:
        return x1 - 1, y1 - 1, x1 - 1, y1 - 1
    return x1 - 1, y1 - 1, x2, y2


def read_number(node: Element, tag: str, place: str) -> float:
    text = node.findtext(f"bndbox/{tag}")
    try:
        return finite(text)
    except (TypeError, ValueError):
        stated = "missing" if text is None else f"{text!r}"
        raise DataError(f"{place}: {tag} is {stated}; expected a number of pixels") from None


def gather(
    kit: Devkit, annotations: Mapping[str, Annotation], split: str | None
) -> list[AnnotatedImage]:
    """The annotated images of a split, as far as this devkit has it."""
    if split is None:
        chosen: Iterable[Annotation] = annotations.values()
    elif split in kit.split_files:
        chosen = listed(kit.split_files[split], annotations)
    else:
        return []
    names = image_names(kit.images)
    return [
        AnnotatedImage(kit.images / image_of(found, kit, names), found.size, found.objects)
        for found in chosen
    ]


def image_names(folder: Path) -> dict[str, list[str]]:
    """The folder's image files by their stem."""
    names: dict[str, list[str]] = {}
    for file in folder.iterdir() if folder.is_dir() else ():
        if file.suffix.lower() in IMAGE_SUFFIXES:
            names.setdefault(file.stem, []).append(file.name)
    return names


def listed(file: Path, annotations: Mapping[str, Annotation]) -> list[Annotation]:
    """The annotations that a split file lists, in its order."""
    names = lines_of(file)
    missing = [name for name in names if name not in annotations]
    if missing:
        raise DataError(
            f"{file}: {len(missing)} of {len(names)} images have no XML file, the first is "
            f"{missing[0]!r}; restore it in Annotations/ or remove the line"
        )
    return [annotations[name] for name in names]


def image_of(annotation: Annotation, kit: Devkit, names: Mapping[str, Sequence[str]]) -> str:
    """The image's file: of the XML's stem, which VOC goes by; only then of its <filename>.

    <filename> comes second because it grows stale when people rename files.
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


def write(
    dataset: DataSet, path: Path, *, splits: Mapping[str, Sequence[int]] | None = None
) -> None:
    """Write a devkit folder: XML files, copies of the images, and splits given by their indices.

    VOC knows no crowds: they become difficult objects, which no metric counts either.

    Raises:
        DataError: two images have the same name without suffix.
    """
    stems = [Path(name).stem for name in dataset.paths]
    if len(set(stems)) < len(stems):
        twice = next(stem for stem in stems if stems.count(stem) > 1)
        raise DataError(f"{path}: two images are called {twice!r}; VOC needs different names")
    for folder in ("Annotations", "JPEGImages", "ImageSets/Main"):
        (path / folder).mkdir(parents=True, exist_ok=True)
    for index, stem in enumerate(stems):
        source = Path(dataset.paths[index])
        copy(source, path / "JPEGImages" / source.name)
        root = annotation_of(source, dataset.truth(index), dataset.class_names)
        ElementTree(root).write(path / "Annotations" / f"{stem}.xml", encoding="utf-8")
    for name, indices in (splits or {}).items():
        lines = "".join(f"{stems[index]}\n" for index in indices)
        (path / "ImageSets/Main" / f"{name}.txt").write_text(lines, encoding="utf-8")


def copy(source: Path, target: Path) -> None:
    """Copy an image, unless it is in its place already."""
    if not (target.exists() and target.samefile(source)):
        shutil.copyfile(source, target)


def annotation_of(image: Path, truth: Truth, class_names: Sequence[str]) -> Element:
    """What `Annotation.of` reads."""
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
        write_box(SubElement(node, "bndbox"), box)
    indent(root)
    return root


def write_box(node: Element, box: Sequence[float]) -> None:
    """Undo `read_box`."""
    x1, y1, x2, y2 = box
    for tag, value in zip(BOX_TAGS, (x1 + 1, y1 + 1, x2, y2), strict=True):
        SubElement(node, tag).text = str(int(value) if value.is_integer() else value)
