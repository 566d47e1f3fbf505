"""imglab, dlib's own: one XML file with all images and boxes of a split.

`<dataset><images><image file='a.jpg'><box top= left= width= height= ignore='1'/>…`, taken as a
folder with such files, each a split named by its stem, or as one file; images lie beside it or
where `file` says. A box with `ignore='1'` is a region: nothing found in it is right or wrong. Most
of these files have one kind of object and no `<label>`; the class is then called "object".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from xml.etree.ElementTree import Element

from singleshot.data.dataset import DataSet, join
from singleshot.data.formats.annotations import (
    AnnotatedImage,
    AnnotatedObject,
    assemble,
    finite,
    refuse_missing,
)
from singleshot.data.formats.splits import choose_split
from singleshot.data.formats.xml_files import opens_with, parsed
from singleshot.errors import DataError

__all__ = ["LAYOUT", "read", "recognises", "splits"]

LAYOUT = "imglab (XML files with <dataset>, as dlib's imglab writes them)"
UNLABELLED = "object"  # the class of a box without <label>


def recognises(path: Path) -> bool:
    """Whether this is an imglab file, or a folder with one."""
    return bool(files(path))


def splits(path: Path) -> tuple[str, ...]:
    """The stems of the files, in alphabetical order."""
    return tuple(files(path))


def files(path: Path) -> dict[str, Path]:
    """The XML file of each split."""
    candidates = [path] if path.is_file() else sorted(path.glob("*.xml"))
    return {
        xml.stem: xml
        for xml in candidates
        if xml.suffix.lower() == ".xml" and opens_with(xml, "dataset")
    }


def read(path: Path, split: str | None = None) -> DataSet:
    """The images of a split, or of all files; classes in alphabetical order.

    Raises:
        DataError: a file is malformed or misses something, a split is unknown, or some images are
            missing while others are there.
    """
    found = files(path)
    names = tuple(found) if split is None else (choose_split(split, tuple(found), path),)
    dataset = join([read_file(found[name]) for name in names])
    of_split = "" if split is None else f", split {names[0]}"
    return replace(dataset, description=f"imglab layout{of_split} of {path}")


def read_file(xml: Path) -> DataSet:
    """All images of one file, in its order."""
    nodes = enumerate(parsed(xml, "dataset").iterfind("images/image"), start=1)
    images = [read_image(node, xml, f"{xml}: image {index}") for index, node in nodes]
    class_names = sorted({found.name for image in images for found in image.objects})
    notes = missing_images(images, xml)
    return assemble(class_names, images, description=str(xml), notes=notes)


def read_image(node: Element, xml: Path, place: str) -> AnnotatedImage:
    """One `<image>`; its width and height may be absent."""
    name = node.get("file")
    if not name:
        raise DataError(f"{place}: has no file; add it or remove the image")
    boxes = enumerate(node.iterfind("box"), start=1)
    return AnnotatedImage(
        path=xml.parent / name,
        size=(read_length(node, "height"), read_length(node, "width")),
        objects=[read_object(box, f"{place} ({name}), box {index}") for index, box in boxes],
    )


def read_length(node: Element, name: str) -> int:
    """A side of the image in pixels; 0 when it is not stated in a way that can be used."""
    try:
        return int(finite(node.get(name)))
    except (TypeError, ValueError):
        return 0


def read_object(node: Element, place: str) -> AnnotatedObject:
    """Pixels count from 0, and a dlib rectangle of width 5 covers five of them."""
    left, top, width, height = (
        read_number(node, name, place) for name in ("left", "top", "width", "height")
    )
    return AnnotatedObject(
        (node.findtext("label") or "").strip() or UNLABELLED,
        (left, top, left + width, top + height),
        crowd=node.get("ignore", "0").strip() == "1",
    )


def read_number(node: Element, name: str, place: str) -> float:
    text = node.get(name)
    try:
        return finite(text)
    except (TypeError, ValueError):
        stated = "missing" if text is None else f"{text!r}"
        raise DataError(f"{place}: {name} is {stated}; expected a number of pixels") from None


def missing_images(images: Sequence[AnnotatedImage], xml: Path) -> list[str]:
    """A note when no image is there, DataError when only some are: truths may be of use alone."""
    if any(image.path.exists() for image in images):
        refuse_missing(images, xml)
        return []
    return [f"found no images of {xml.name}; looked in {xml.parent}"]
