"""COCO: one JSON file with all images, categories and annotations of a split.

Accepted are a folder with `annotations/instances_NAME.json`, other JSON files of this kind in
`annotations/` or at the top (Roboflow's `_annotations.coco.json`), and such a JSON file alone, with
or without its images. They are looked for in `NAME/`, `images/NAME/`, `images/` and beside; then in
that folder which the image's own name has (`COCO_val2014_…`): the splits `minival2014` and
`trainval35k` have no folders of their own. If there is none of them, they are looked for in all
folders.

An annotation with `iscrowd`, `ignore` or `isgroupof` (Open Images) is a region: detections in it
are not counted. For pycocotools only `iscrowd` is: its `cocoeval.py` reads `ignore`, and in the
next line (`_prepare`) overwrites it with `iscrowd`.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, NamedTuple

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
from singleshot.data.formats.format import Format
from singleshot.data.formats.split_names import choose_split, matching_splits
from singleshot.errors import DataError
from singleshot.files import without_hidden

if TYPE_CHECKING:
    from singleshot.data.dataset import DataSet
else:
    DataSet = Any  # importing them would import PyTorch, which recognising does without

__all__ = ["FORMAT"]

PREFIX = "instances_"
# Files of COCO's other tasks, which lie beside.
OTHER_TASKS = ("captions_", "image_info_", "panoptic_", "person_keypoints_", "stuff_")
KEYS = ("annotations", "categories", "images", "info", "licenses")  # a file begins with one of them
REGION_KEYS = ("iscrowd", "ignore", "isgroupof")
IMAGE_NAME = re.compile(r"COCO_([^_]+)_\d+\.")  # of 2014: `COCO_val2014_000000000042.jpg`
BBOX = "[left, top, width, height] in pixels"


class _Part(NamedTuple):
    """A split, or what of it is not in another."""

    split: str
    without: str = ""


# Splits of papers by the files that there are; COCO has them as files of their own since 2017 only,
# when they became train2017 and val2017.
KNOWN_SPLITS: Mapping[str, Sequence[Sequence[_Part]]] = {
    "trainval35k": (
        (_Part("train2014"), _Part("valminusminival2014")),
        (_Part("train2014"), _Part("val2014", without="minival2014")),
        (_Part("train2017"),),
    ),
    "minival": ((_Part("val2017"),),),
}


def _recognise(path: Path) -> bool:
    """Check whether this is a folder in COCO's layout, or a JSON file of this kind."""
    return bool(_files(path))


def _splits(path: Path) -> tuple[str, ...]:
    """List the NAMEs of `instances_NAME.json`, in alphabetical order."""
    return tuple(_files(path))


def _derived_splits(path: Path) -> dict[str, str]:
    """List the splits of papers for which all parts are there, with these parts."""
    files = _files(path)
    return {
        name: _describe(parts)
        for name, known in KNOWN_SPLITS.items()
        if (parts := _complete(known, files))
    }


def _complete(
    known: Sequence[Sequence[_Part]], files: Mapping[str, Path]
) -> Sequence[_Part] | None:
    """Find the first of several ways to make a split for which all files are there."""
    complete = (
        parts for parts in known if all(name in files for part in parts for name in part if name)
    )
    return next(complete, None)


def _read(path: Path, split: str | None = None) -> list[Annotations]:
    """Read the images of a split, or of all; classes in the order of their category ids.

    Raises:
        DataError: the JSON is malformed, or a split is unknown.
    """
    files = _files(path)
    parts = [_Part(name) for name in files] if split is None else _parts_of(split, files, path)
    return [_read_part(part, files) for part in parts]


def _write(
    dataset: DataSet, path: Path, *, splits: Mapping[str, Sequence[int]] | None = None
) -> None:
    """Write a JSON file for each split and copies of the images; images in no split: `with_rest`.

    COCO has no difficult objects: they get `ignore`, and no metric counts them either.
    """
    copies = copy_images(dataset, path / "images")
    image_ids = dataset.image_ids.tolist() if dataset.has_ids else list(range(len(dataset)))
    categories = [
        {"id": number, "name": name}
        for number, name in zip(dataset.category_ids, dataset.class_names, strict=True)
    ]
    (path / "annotations").mkdir(exist_ok=True)
    for split, indices in with_rest(splits, len(dataset)).items():
        objects = [
            entry for index in indices for entry in _object_entries(dataset, index, image_ids)
        ]
        content = {
            "images": [_image_entry(copies[index], image_ids[index]) for index in indices],
            "annotations": [{"id": number, **entry} for number, entry in enumerate(objects, 1)],
            "categories": categories,
        }
        file = path / "annotations" / f"{PREFIX}{split}.json"
        file.write_text(json.dumps(content), encoding="utf-8")


FORMAT = Format(
    name="COCO",
    layout="COCO (annotations/instances_NAME.json, or a JSON file with images and annotations)",
    recognise=_recognise,
    splits=_splits,
    read=_read,
    write=_write,
    without={"difficult": "get ignore: regions to our reader, ordinary objects to pycocotools"},
    derived_splits=_derived_splits,
)


def _files(path: Path) -> dict[str, Path]:
    """Map each split to its JSON file."""
    if path.is_file():
        # What is no JSON at all is COCO's as well: reading it shows why.
        is_json = path.suffix.lower() == ".json"
        own = is_json and first_json_key(path) in (*KEYS, None)
        return {path.stem.removeprefix(PREFIX): path} if own else {}
    for folder in (path / "annotations", path):
        files = sorted(without_hidden(folder.glob("*.json")))
        named = [file for file in files if file.name.startswith(PREFIX)]
        if found := named or [file for file in files if _is_coco(file)]:
            return {file.stem.removeprefix(PREFIX): file for file in found}
    return {}


def _is_coco(file: Path) -> bool:
    """Check whether a JSON file has detection's annotations."""
    return not file.name.startswith(OTHER_TASKS) and first_json_key(file) in KEYS


def _parts_of(split: str, files: Mapping[str, Path], path: Path) -> Sequence[_Part]:
    """Find what a split consists of; DataError for an unknown one."""
    available = tuple(files)
    known = KNOWN_SPLITS.get(split, ())
    if matching_splits(split, available) or not known:
        return [_Part(choose_split(split, available, path))]
    if parts := _complete(known, files):
        return parts
    raise DataError(
        f"{path}: there is no split {split!r}; it has {', '.join(files)}, and {split} is made of "
        + ", or of ".join(map(_describe, known))
    )


def _describe(parts: Sequence[_Part]) -> str:
    """Name splits as in "train2014 + val2014 without minival2014"."""
    return " + ".join(" without ".join(filter(None, part)) for part in parts)


def _read_part(part: _Part, files: Mapping[str, Path]) -> Annotations:
    """Read a split, without the images that are also in another."""
    annotations = _read_file(files[part.split], part.split)
    if part.without:
        others = _read_file(files[part.without], part.without)
        ids = {image.image_id for image in others.images}
        annotations.images = [one for one in annotations.images if one.image_id not in ids]
    return annotations


def _read_file(file: Path, name: str) -> Annotations:
    """Read all images of one JSON file, by rising id.

    pycocotools takes images by rising id, and equal scores rank in the order of the images.
    """
    content = Entry(parse_json(file), str(file))
    findings = Findings()
    categories = _read_categories(content, file, findings)
    home = file.parent.parent if file.parent.name == "annotations" else file.parent
    images = _read_images(content, file, home, findings)
    used = _add_objects(content, file, images, categories, findings)
    _leave_out_root(content, categories, used, findings)
    usual = (home / name, home / "images" / name, home / "images", home, home / name / "images")
    return Annotations(
        root=home,
        images=[images[number] for number in sorted(images)],
        folders=list(dict.fromkeys((*usual, file.parent))),
        file=file,
        class_names=list(categories.values()),
        category_ids=list(categories),
        entry="annotation",
        findings=findings,
    )


def _read_categories(content: Entry, file: Path, findings: Findings) -> dict[int, str]:
    """Map category ids to class names, in the order of the ids."""
    names: dict[int, str] = {}
    for index, values in enumerate(content.entries("categories", "categories"), start=1):
        place = f"{file}: category {index}"
        with findings.collect(place):
            entry = Entry(values, place)
            names[_new_id(entry, names)] = entry.text("name")
    name, times = next(iter(Counter(names.values()).most_common(1)), ("", 0))
    if times > 1:
        raise DataError(f"{file}: {times} categories are called {name!r}; give each its own name")
    return dict(sorted(names.items()))


def _read_images(
    content: Entry, file: Path, home: Path, findings: Findings
) -> dict[int, AnnotatedImage]:
    """Map image ids to images, still without objects."""
    images: dict[int, AnnotatedImage] = {}
    for index, values in enumerate(content.entries("images", "images"), start=1):
        place = f"{file}: image {index}"
        with findings.collect(place):
            entry = Entry(values, place)
            number, name = _new_id(entry, images), entry.text("file_name")
            size = entry.side("height"), entry.side("width")
            folder = _folder_of(name, home)
            images[number] = AnnotatedImage(name, size, [], place, folder=folder, image_id=number)
    return images


def _folder_of(name: str, home: Path) -> Path | None:
    """Return the folder that an image's own name has: `val2014` of `COCO_val2014_…`."""
    if not (found := IMAGE_NAME.match(PurePath(name).name)):
        return None
    folders = (home / found[1], home / "images" / found[1])
    return next((folder for folder in folders if folder.is_dir()), None)


def _add_objects(
    content: Entry,
    file: Path,
    images: Mapping[int, AnnotatedImage],
    categories: Mapping[int, str],
    findings: Findings,
) -> set[str]:
    """Add each object to its image; returns the names of classes that have some."""
    used = set()
    for index, values in enumerate(content.entries("annotations", "annotations"), start=1):
        place = f"{file}: annotation {index}"
        with findings.collect(place):
            entry = Entry(values, place)
            image_id = entry.whole_number("image_id")
            category_id = entry.whole_number("category_id")
            if image_id not in images:
                raise entry.wrong("image_id", "the id of an image")
            if category_id not in categories:
                raise entry.wrong("category_id", "the id of a category")
            name = categories[category_id]
            images[image_id].objects.append(_read_object(entry, name, index, findings))
            used.add(name)
    return used


def _read_object(entry: Entry, name: str, number: int, findings: Findings) -> AnnotatedObject:
    """Read an annotation: its box is (left, top, width, height), `REGION_KEYS` make a region."""
    area = as_number(entry.values.get("area"))
    return AnnotatedObject(
        name,
        _read_box(entry, findings),
        number,
        crowd=any(key in entry.values and entry.flag(key) for key in REGION_KEYS),
        area=area if area is not None and area > 0 else None,
    )


def _read_box(entry: Entry, findings: Findings) -> Box:
    """Read the box, or that around the polygons of an annotation without one."""
    polygons = entry.values.get("segmentation")
    if "bbox" in entry.values or not isinstance(polygons, list) or not polygons:
        left, top, width, height = entry.numbers("bbox", BBOX)
        return left, top, left + width, top + height
    numbers = [as_number(one) for part in polygons if isinstance(part, list) for one in part]
    points = [one for one in numbers if one is not None]
    if len(points) < len(numbers) or len(points) < 4 or len(points) % 2:
        raise entry.wrong("segmentation", "polygons [x, y, x, y, …] in pixels")
    findings.add("polygon", entry.place)
    return min(points[::2]), min(points[1::2]), max(points[::2]), max(points[1::2])


def _leave_out_root(
    content: Entry, categories: dict[int, str], used: set[str], findings: Findings
) -> None:
    """Leave out the category without objects that Roboflow writes above all others."""
    above = {
        entry.get("supercategory")
        for entry in content.values["categories"]
        if isinstance(entry, Mapping)
    }
    for number, name in list(categories.items()):
        is_top = content.values["categories"][0] == {
            "id": number,
            "name": name,
            "supercategory": "none",
        }
        if is_top and name in above and name not in used and len(categories) > 1:
            del categories[number]
            findings.add("reader", f"left out the category {name!r}: the one above all others")


def _new_id(entry: Entry, taken: Mapping[int, object]) -> int:
    """Read an entry's id; DataError when it is taken or no whole number."""
    number = entry.whole_number("id")
    if number in taken:
        raise entry.wrong("id", "one that no other has")
    return number


def _image_entry(image: Path, image_id: int) -> dict[str, Any]:
    """Write an entry of "images"."""
    from singleshot.data.image_files.decoding import image_size  # noqa: PLC0415 (imports PyTorch)

    height, width = image_size(image)
    return {"id": image_id, "file_name": image.name, "height": height, "width": width}


def _object_entries(
    dataset: DataSet, index: int, image_ids: Sequence[int]
) -> Iterator[dict[str, Any]]:
    """Write the entries of "annotations" of one image, without their ids."""
    truth = dataset.exact_truth(index)
    flags = zip(truth.crowd.tolist(), truth.difficult.tolist(), strict=True)
    columns = (truth.boxes.tolist(), truth.labels.tolist(), truth.areas.tolist(), flags)
    for (x1, y1, x2, y2), label, area, (crowd, difficult) in zip(*columns, strict=True):
        yield {
            "image_id": image_ids[index],
            "category_id": dataset.category_ids[label],
            "bbox": [x1, y1, x2 - x1, y2 - y1],
            "area": area,
            "iscrowd": int(crowd),
            **({"ignore": 1} if difficult else {}),
        }
