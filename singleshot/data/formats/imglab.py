"""imglab, dlib's own: one XML file with all images and boxes of a split.

`<dataset><images><image file='a.jpg'><box top= left= width= height= ignore='1'/>…`, taken as a
folder with such files, each a split named by its stem, or as one file; images lie beside it or
where `file` points. A box with `ignore='1'` is a region: detections in it are not counted. Most of
these files have one kind of object and no `<label>`; the class is then called "object".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree.ElementTree import Element, ElementTree, SubElement, indent

from singleshot.data.findings import Findings
from singleshot.data.formats.annotations import (
    AnnotatedImage,
    AnnotatedObject,
    Annotations,
    with_rest,
)
from singleshot.data.formats.copying import copy_images
from singleshot.data.formats.entries import as_side
from singleshot.data.formats.format import LEFT_OUT, Format
from singleshot.data.formats.split_names import in_split
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

UNLABELLED = "object"  # the class of a box without <label>


def _recognise(path: Path) -> bool:
    """Check whether this is an imglab file, or a folder with one."""
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
    """Write an XML file for each split and copies of the images; images in no split: `all.xml`.

    The format has no difficult objects: they become ignored boxes, which no metric counts either.
    """
    images = copy_images(dataset, path / "images")
    nodes = [_image_node(dataset, index, image) for index, image in enumerate(images)]
    for name, indices in with_rest(splits, len(dataset)).items():
        root = Element("dataset")
        SubElement(root, "images").extend(nodes[index] for index in indices)
        indent(root)
        ElementTree(root).write(path / f"{name}.xml", encoding="utf-8", xml_declaration=True)


FORMAT = Format(
    name="imglab",
    layout="imglab (XML files with <dataset>, as dlib's imglab writes them)",
    recognise=_recognise,
    splits=_splits,
    read=_read,
    write=_write,
    without={
        "difficult": "become ignored boxes (regions)",
        "area": "become those of the boxes",
        "id": LEFT_OUT,
        "classes": LEFT_OUT,
    },
)


def _files(path: Path) -> dict[str, Path]:
    """Map each split to its XML file."""
    candidates = [path] if path.is_file() else sorted(without_hidden(path.glob("*.xml")))
    return {
        xml.stem: xml
        for xml in candidates
        if xml.suffix.lower() == ".xml" and has_root(xml, "dataset")
    }


def _read_file(xml: Path) -> Annotations:
    """Read all images of one file, in its order."""
    findings = Findings()
    images = []
    for index, node in enumerate(read_root(xml, "dataset").iterfind("images/image"), start=1):
        place = f"{xml}: image {index}"
        with findings.collect(place):
            images.append(_read_image(node, place, findings))
    folder = xml.parent
    return Annotations(folder, images, (folder,), xml, entry="box", findings=findings)


def _read_image(node: Element, place: str, findings: Findings) -> AnnotatedImage:
    """Read one `<image>`; its width and height may be absent."""
    name = (node.get("file") or "").strip()
    if not name:
        raise DataError(f"{place}: has no file; add it or remove the image")
    objects = []
    for index, box in enumerate(node.iterfind("box"), start=1):
        where = f"{place} ({name}), box {index}"
        with findings.collect(where):
            objects.append(_read_object(box, index, where))
    size = as_side(node.get("height")), as_side(node.get("width"))
    return AnnotatedImage(name, size, objects, place)


def _read_object(node: Element, number: int, place: str) -> AnnotatedObject:
    """Read one `<box>`: pixels count from 0, and a dlib rectangle of width 5 covers five."""
    left, top, width, height = (
        read_pixels(node.get(name), name, place) for name in ("left", "top", "width", "height")
    )
    return AnnotatedObject(
        (node.findtext("label") or "").strip() or UNLABELLED,
        (left, top, left + width, top + height),
        number,
        crowd=read_flag(node.get("ignore"), "ignore", place),
    )


def _image_node(dataset: DataSet, index: int, image: Path) -> Element:
    """Write one `<image>`."""
    from singleshot.data.image_files.decoding import image_size  # noqa: PLC0415 (imports PyTorch)

    height, width = image_size(image)
    size = {"width": str(width), "height": str(height)}
    node = Element("image", {"file": f"{image.parent.name}/{image.name}", **size})
    truth = dataset.exact_truth(index)
    ignored = (truth.difficult | truth.crowd).tolist()
    for (x1, y1, x2, y2), label, ignore in zip(
        truth.boxes.tolist(), truth.labels.tolist(), ignored, strict=True
    ):
        sides = {"top": y1, "left": x1, "width": x2 - x1, "height": y2 - y1}
        box = SubElement(node, "box", {key: format_pixels(side) for key, side in sides.items()})
        if ignore:
            box.set("ignore", "1")
        SubElement(box, "label").text = dataset.class_names[label]
    return node
