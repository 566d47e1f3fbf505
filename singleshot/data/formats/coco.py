"""COCO: one JSON file with all images, categories and annotations of a split.

Taken are a folder with `annotations/instances_NAME.json`, and such a JSON file alone, with or
without its images. They are looked for in `NAME/`, `images/NAME/`, `images/` and beside.

An annotation with `iscrowd`, `ignore` or `isgroupof` (Open Images) is a region: nothing found in it
is right or wrong. For pycocotools only `iscrowd` is: its `cocoeval.py` reads `ignore`, and in the
next line (`_prepare`) overwrites it with `iscrowd`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from singleshot.data.dataset import DataSet, join
from singleshot.data.formats.annotations import (
    AnnotatedImage,
    AnnotatedObject,
    assemble,
    finite,
    refuse_missing,
)
from singleshot.data.formats.splits import choose_split
from singleshot.errors import DataError

__all__ = ["LAYOUT", "read", "recognises", "splits"]

LAYOUT = "COCO (annotations/instances_NAME.json, or a JSON file with images and annotations)"
PREFIX = "instances_"
REGION_KEYS = ("iscrowd", "ignore", "isgroupof")
PROBED = 10  # images looked for in a folder before it is taken for another one


def recognises(path: Path) -> bool:
    """Whether this is a folder in COCO's layout, or a JSON file."""
    return bool(files(path))


def splits(path: Path) -> tuple[str, ...]:
    """The NAMEs of `instances_NAME.json`, in alphabetical order."""
    return tuple(files(path))


def files(path: Path) -> dict[str, Path]:
    """The JSON file of each split."""
    if path.is_file() and path.suffix.lower() == ".json":
        return {path.stem.removeprefix(PREFIX): path}
    for folder in (path / "annotations", path):
        found = sorted(folder.glob(f"{PREFIX}*.json"))
        if found:
            return {file.stem.removeprefix(PREFIX): file for file in found}
    return {}


def read(path: Path, split: str | None = None) -> DataSet:
    """The images of a split, or of all; classes in the order of their category ids.

    Raises:
        DataError: the JSON is malformed, an entry misses something or contradicts another, a split
            is unknown, or some images are missing while others are there.
    """
    found = files(path)
    names = tuple(found) if split is None else (choose_split(split, tuple(found), path),)
    dataset = join([read_file(found[name], name) for name in names])
    of_split = "" if split is None else f", split {names[0]}"
    return replace(dataset, description=f"COCO layout{of_split} of {path}")


def read_file(file: Path, name: str) -> DataSet:
    """All images of one JSON file, by rising id."""
    content = parsed(file)
    categories = read_categories(content["categories"], file)
    images = read_images(content["images"], file)
    notes = locate(list(images.values()), file, name)
    add_objects(content["annotations"], file, images, categories)
    return assemble(
        list(categories.values()),
        list(images.values()),
        description=str(file),
        image_ids=list(images),
        category_ids=list(categories),
        notes=notes,
    )


def parsed(file: Path) -> dict[str, list[Any]]:
    """The three lists of the file."""
    try:
        content = json.loads(file.read_bytes())
    except json.JSONDecodeError as error:
        raise DataError(
            f"{file}, line {error.lineno}: broken JSON ({error.msg}); repair or export it anew"
        ) from None
    except (OSError, ValueError) as error:
        raise DataError(f"{file}: cannot be read ({error}); export it anew") from error
    if not isinstance(content, dict):
        raise DataError(
            f"{file}: holds a {type(content).__name__}; COCO's annotations are an object"
        )
    for key in ("images", "annotations", "categories"):
        if not isinstance(content.get(key), list):
            raise DataError(f"{file}: has no list {key!r}; COCO's annotations need it, even empty")
    return content


def read_categories(entries: list[Any], file: Path) -> dict[int, str]:
    """Category id to class name, in the order of the ids."""
    names: dict[int, str] = {}
    for index, entry in enumerate(entries, start=1):
        with naming(file, "category", index):
            names[new_id(entry, names)] = str(entry["name"])
    name, times = next(iter(Counter(names.values()).most_common(1)), ("", 0))
    if times > 1:
        raise DataError(f"{file}: {times} categories are called {name!r}; give each its own name")
    return dict(sorted(names.items()))


def read_images(entries: list[Any], file: Path) -> dict[int, AnnotatedImage]:
    """Image id to image in the order of the ids, still without objects and without its folder.

    pycocotools takes images by rising id, and equal scores rank in the order of the images.
    """
    images: dict[int, AnnotatedImage] = {}
    for index, entry in enumerate(entries, start=1):
        with naming(file, "image", index):
            size = int(entry.get("height") or 0), int(entry.get("width") or 0)
            image = AnnotatedImage(Path(entry["file_name"]), size, [])
            images[new_id(entry, images)] = image
    return dict(sorted(images.items()))


def add_objects(
    entries: list[Any],
    file: Path,
    images: dict[int, AnnotatedImage],
    categories: dict[int, str],
) -> None:
    """Give each image its objects."""
    for index, entry in enumerate(entries, start=1):
        with naming(file, "annotation", index):
            image_id, category_id = entry["image_id"], entry["category_id"]
            if image_id not in images:
                raise ValueError(f"image_id {image_id} is none of the images")
            if category_id not in categories:
                raise ValueError(f"category_id {category_id} is none of the categories")
            images[image_id].objects.append(read_object(entry, categories[category_id]))


def read_object(entry: dict[str, Any], name: str) -> AnnotatedObject:
    """COCO's boxes are (left, top, width, height); any of `REGION_KEYS` makes a region."""
    left, top, width, height = map(finite, entry["bbox"])
    return AnnotatedObject(
        name,
        (left, top, left + width, top + height),
        crowd=any(entry.get(key) for key in REGION_KEYS),
        area=finite(entry.get("area") or 0),
    )


def new_id(entry: dict[str, Any], taken: Mapping[int, object]) -> int:
    """The entry's id; ValueError when another has it, or when it is no whole number."""
    number = entry["id"]
    if not isinstance(number, int):
        raise ValueError(f"id {number!r} is no whole number")
    if number in taken:
        raise ValueError(f"id {number} is taken already")
    return number


@contextmanager
def naming(file: Path, kind: str, index: int) -> Iterator[None]:
    """Turn what a wrong entry raises into a DataError that says which entry it is."""
    try:
        yield
    except KeyError as error:
        raise DataError(
            f"{file}: {kind} {index} has no {error}; add it or remove the entry"
        ) from None
    except (AttributeError, TypeError, ValueError, OverflowError) as error:
        raise DataError(f"{file}: {kind} {index}: {error}; correct or remove the entry") from None


def locate(images: Sequence[AnnotatedImage], file: Path, name: str) -> list[str]:
    """Complete the paths by the first folder that has one of the first images.

    Returns:
        A note when there is none: the annotations may be of use without images.

    Raises:
        DataError: some images are there and others are not.
    """
    home = file.parent.parent if file.parent.name == "annotations" else file.parent
    folders = (home / name, home / "images" / name, home / "images", home)
    probes = [image.path for image in images[:PROBED]]
    having = [folder for folder in folders if any((folder / path).exists() for path in probes)]
    for image in images:
        image.path = (having or folders)[0] / image.path
    if having:
        refuse_missing(images, file)
    if having or not images:
        return []
    return [f"found no images of {file.name}; looked in {', '.join(map(str, folders))}"]
