"""COCO: one JSON file with all images, categories and annotations of a split.

Accepted are a folder with `annotations/instances_NAME.json`, and such a JSON file alone, with or
without its images. They are looked for in `NAME/`, `images/NAME/`, `images/` and beside; then in
the folders of the other splits, and in that which the image's own name has (`COCO_val2014_…`): the
splits `minival2014` and `trainval35k` have no folders of their own.

An annotation with `iscrowd`, `ignore` or `isgroupof` (Open Images) is a region: detections in it
are not counted. For pycocotools only `iscrowd` is: its `cocoeval.py` reads `ignore`, and in the
next line (`_prepare`) overwrites it with `iscrowd`.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from singleshot.data.formats.format import Format
from singleshot.data.formats.objects import (
    AnnotatedImage,
    AnnotatedObject,
    finite_number,
    require_images,
    with_rest,
)
from singleshot.data.formats.split_names import choose_split, matching_splits
from singleshot.errors import DataError
from singleshot.files import describe_damage

if TYPE_CHECKING:
    from singleshot.data.dataset import DataSet
else:
    DataSet = Any  # importing them would import PyTorch, which recognising does without

__all__ = ["FORMAT"]

PREFIX = "instances_"
REGION_KEYS = ("iscrowd", "ignore", "isgroupof")
MOST_PROBES = 10  # images looked for in a folder
IMAGE_NAME = re.compile(r"COCO_([^_]+)_\d+\.")  # of 2014: `COCO_val2014_000000000042.jpg`


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
    """Check whether this is a folder in COCO's layout, or a JSON file."""
    return bool(_files(path))


def _splits(path: Path) -> tuple[str, ...]:
    """List the NAMEs of `instances_NAME.json`, in alphabetical order."""
    return tuple(_files(path))


def _derived_splits(path: Path) -> tuple[str, ...]:
    """List the splits of papers for which all parts are there."""
    files = _files(path)
    return tuple(name for name, known in KNOWN_SPLITS.items() if _complete(known, files))


def _complete(
    known: Sequence[Sequence[_Part]], files: Mapping[str, Path]
) -> Sequence[_Part] | None:
    """Find the first of several ways to make a split for which all files are there."""
    complete = (
        parts for parts in known if all(name in files for part in parts for name in part if name)
    )
    return next(complete, None)


def _read(path: Path, split: str | None = None) -> DataSet:
    """Read the images of a split, or of all; classes in the order of their category ids.

    Raises:
        DataError: the JSON is malformed, an entry misses something or contradicts another, a split
            is unknown, or some images are missing while others are there.
    """
    from singleshot.data.dataset import join_datasets  # noqa: PLC0415 (imports PyTorch)

    files = _files(path)
    parts: Sequence[_Part] = [_Part(name) for name in files]
    of_split = ""
    if split is not None:
        parts = _parts_of(split, files, path)
        of_split = f", split {_describe(parts)}"
    dataset = join_datasets([_read_part(part, files) for part in parts])
    return replace(dataset, description=f"COCO layout{of_split} of {path}")


def _write(
    dataset: DataSet, path: Path, *, splits: Mapping[str, Sequence[int]] | None = None
) -> None:
    """Write a JSON file for each split and copies of the images; images in no split: split "all".

    COCO has no difficult objects: they get `ignore`, and no metric counts them either.

    Raises:
        DataError: two images have the same file name.
    """
    from singleshot.data.formats.annotations import copy_images  # noqa: PLC0415 (imports PyTorch)

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
    derived_splits=_derived_splits,
)


def _files(path: Path) -> dict[str, Path]:
    """Map each split to its JSON file."""
    if path.is_file() and path.suffix.lower() == ".json":
        return {path.stem.removeprefix(PREFIX): path}
    for folder in (path / "annotations", path):
        if files := sorted(folder.glob(f"{PREFIX}*.json")):
            return {file.stem.removeprefix(PREFIX): file for file in files}
    return {}


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


def _read_part(part: _Part, files: Mapping[str, Path]) -> DataSet:
    """Read a split, without the images that are also in another."""
    dataset = _read_file(files[part.split], part.split)
    if not part.without:
        return dataset
    others = set(_read_images(_parse(files[part.without])["images"], files[part.without]))
    kept = [index for index, number in enumerate(dataset.image_ids) if number not in others]
    return dataset.subset(kept, description=dataset.description)


def _read_file(file: Path, name: str) -> DataSet:
    """Read all images of one JSON file, by rising id."""
    from singleshot.data.formats.annotations import assemble  # noqa: PLC0415 (imports PyTorch)

    content = _parse(file)
    categories = _read_categories(content["categories"], file)
    images = _read_images(content["images"], file)
    notes = _locate(list(images.values()), file, name)
    _add_objects(content["annotations"], file, images, categories)
    return assemble(
        list(categories.values()),
        list(images.values()),
        description=str(file),
        image_ids=list(images),
        category_ids=list(categories),
        notes=notes,
    )


def _parse(file: Path) -> dict[str, list[Any]]:
    """Load the file and check its three lists."""
    try:
        content = json.loads(file.read_bytes())
    except json.JSONDecodeError as error:
        damage = describe_damage(file)
        reason = damage or f"broken JSON ({error.msg}); repair or export it anew"
        raise DataError(f"{file}, line {error.lineno}: {reason}") from None
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


def _read_categories(entries: list[Any], file: Path) -> dict[int, str]:
    """Map category ids to class names, in the order of the ids."""
    names: dict[int, str] = {}
    for index, entry in enumerate(entries, start=1):
        with _naming_entry(file, "category", index):
            names[_new_id(entry, names)] = str(entry["name"])
    name, times = next(iter(Counter(names.values()).most_common(1)), ("", 0))
    if times > 1:
        raise DataError(f"{file}: {times} categories are called {name!r}; give each its own name")
    return dict(sorted(names.items()))


def _read_images(entries: list[Any], file: Path) -> dict[int, AnnotatedImage]:
    """Map image ids to images in the order of the ids, still without objects and folder.

    pycocotools takes images by rising id, and equal scores rank in the order of the images.
    """
    images: dict[int, AnnotatedImage] = {}
    for index, entry in enumerate(entries, start=1):
        with _naming_entry(file, "image", index):
            size = int(entry.get("height") or 0), int(entry.get("width") or 0)
            image = AnnotatedImage(Path(entry["file_name"]), size, [])
            images[_new_id(entry, images)] = image
    return dict(sorted(images.items()))


def _add_objects(
    entries: list[Any],
    file: Path,
    images: dict[int, AnnotatedImage],
    categories: dict[int, str],
) -> None:
    """Add each object to its image."""
    for index, entry in enumerate(entries, start=1):
        with _naming_entry(file, "annotation", index):
            image_id, category_id = entry["image_id"], entry["category_id"]
            if image_id not in images:
                raise ValueError(f"image_id {image_id} is none of the images")
            if category_id not in categories:
                raise ValueError(f"category_id {category_id} is none of the categories")
            images[image_id].objects.append(_read_object(entry, categories[category_id]))


def _read_object(entry: dict[str, Any], name: str) -> AnnotatedObject:
    """Read an annotation: its box is (left, top, width, height), `REGION_KEYS` make a region."""
    left, top, width, height = map(finite_number, entry["bbox"])
    return AnnotatedObject(
        name,
        (left, top, left + width, top + height),
        crowd=any(entry.get(key) for key in REGION_KEYS),
        area=finite_number(entry.get("area") or 0),
    )


def _new_id(entry: dict[str, Any], taken: Mapping[int, object]) -> int:
    """Read an entry's id; ValueError when it is taken or no whole number."""
    number = entry["id"]
    if not isinstance(number, int):
        raise ValueError(f"id {number!r} is no whole number")
    if number in taken:
        raise ValueError(f"id {number} is taken already")
    return number


@contextmanager
def _naming_entry(file: Path, kind: str, index: int) -> Iterator[None]:
    """Turn the exception of a wrong entry into a DataError that names the entry."""
    try:
        yield
    except KeyError as error:
        raise DataError(
            f"{file}: {kind} {index} has no {error}; add it or remove the entry"
        ) from None
    except (AttributeError, TypeError, ValueError, OverflowError) as error:
        raise DataError(f"{file}: {kind} {index}: {error}; correct or remove the entry") from None


def _locate(images: Sequence[AnnotatedImage], file: Path, name: str) -> list[str]:
    """Complete the paths: of each image, the first folder that has it.

    Returns:
        A note if no image is found: annotations may be of use without images.

    Raises:
        DataError: some images are there and others are not, or two splits have one of a name.
    """
    home = file.parent.parent if file.parent.name == "annotations" else file.parent
    usual = (home / name, home / "images" / name, home / "images", home)
    first = [image.path for image in images[:MOST_PROBES]]
    holding = [folder for folder in usual if any((folder / path).exists() for path in first)]
    own = (holding or usual)[0]
    missing = [image for image in images if not (own / image.path).exists()]
    others = _folders_of_splits(missing, file, home) if missing else []
    # In the folder of another split, the same number may name another image.
    elsewhere = [
        image.path for image in missing if not holding or IMAGE_NAME.match(image.path.name)
    ]
    folder_of = {path: _folder_with(path, others, file) for path in elsewhere}
    for image in images:
        image.path = (folder_of.get(image.path) or own) / image.path
    if holding or any(folder_of.values()):
        require_images(images, file)
        return []
    looked_in = ", ".join(map(str, (*usual, *others)))
    return [f"found no images of {file.name}; looked in {looked_in}"] if images else []


def _folders_of_splits(images: Iterable[AnnotatedImage], file: Path, home: Path) -> list[Path]:
    """List the existing folders of all splits beside a file, and of those that images name."""
    named = {found[1] for image in images if (found := IMAGE_NAME.match(image.path.name))}
    splits = sorted(named | set(_files(file.parent)))
    folders = [base / split for base in (home, home / "images") for split in splits]
    return [folder for folder in folders if folder.is_dir()]


def _folder_with(path: Path, folders: Sequence[Path], file: Path) -> Path | None:
    """Find the folder that has an image; DataError for two, unless its name is unique in COCO."""
    holding = [folder for folder in folders if (folder / path).exists()]
    if len(holding) > 1 and not IMAGE_NAME.match(path.name):
        raise DataError(
            f"{file}: image {path} is in {holding[0]} and in {holding[1]}; write the folder before "
            f"its file_name"
        )
    return next(iter(holding), None)


def _image_entry(image: Path, image_id: int) -> dict[str, Any]:
    """Write an entry of "images"."""
    from singleshot.data.images import image_size  # noqa: PLC0415 (imports PyTorch)

    height, width = image_size(image)
    return {"id": image_id, "file_name": image.name, "height": height, "width": width}


def _object_entries(
    dataset: DataSet, index: int, image_ids: Sequence[int]
) -> Iterator[dict[str, Any]]:
    """Write the entries of "annotations" of one image, without their ids."""
    truth = dataset.truth(index)
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
