"""YOLO: a text file for each image, with a line `class cx cy width height` for each box.

The numbers are fractions of the image; the file has the image's name and lies in `labels/` where
the image is in `images/`, else beside it. An image without such a file, or with an empty one, has
no objects. Of lines with a polygon (`class x1 y1 x2 y2 x3 y3 …`) the box around it is taken.
`layouts` describes how classes and splits are stated.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from singleshot.data.findings import Findings, count_of
from singleshot.data.formats.annotations import (
    AnnotatedImage,
    AnnotatedObject,
    Annotations,
    Box,
    with_rest,
)
from singleshot.data.formats.copying import copy_images
from singleshot.data.formats.format import LEFT_OUT, Format
from singleshot.data.formats.split_names import choose_split
from singleshot.data.formats.yolo.layouts import (
    CLASS_FILES,
    YoloLayout,
    counterpart,
    find_folder,
    find_layout,
    is_label,
    recognise,
)
from singleshot.data.image_files.suffixes import image_suffixes
from singleshot.errors import DataError
from singleshot.files import walk_files

if TYPE_CHECKING:
    from singleshot.data.dataset import DataSet
else:
    DataSet = Any  # importing it would import PyTorch, which recognising does without

__all__ = ["FORMAT"]

LARGEST = 1.01  # fraction of the image; rounding adds less, pixels are more
# Names by which Ultralytics knows the splits.
KEYS = {"training": "train", "valid": "val", "validation": "val", "testing": "test"}


def _splits(path: Path) -> tuple[str, ...]:
    """List the splits that data.yaml, obj.data or the names of folders define."""
    layout = find_layout(path)
    return () if layout is None else tuple(name for name in layout.splits if name)


def _read(path: Path, split: str | None = None) -> list[Annotations]:
    """Read the images of a split, or of all; classes in the order of their numbers.

    Raises:
        DataError: the file that states classes and splits cannot be used.
    """
    layout = find_layout(path)
    if layout is None:
        raise DataError(f"{path}: has no labels in YOLO's format")
    names = tuple(layout.splits)
    chosen = names if split is None else (choose_split(split, tuple(filter(None, names)), path),)
    parts = [_Reader(layout).read(layout.splits[name]) for name in chosen]
    if layout.class_names is None:
        _number_classes(parts)
    return parts


def _write(
    dataset: DataSet, path: Path, *, splits: Mapping[str, Sequence[int]] | None = None
) -> None:
    """Write `data.yaml`, `images/`, `labels/`, and for each split a list of its images.

    Images in no split: see `with_rest`; Ultralytics passes over them. Difficult objects become
    ordinary ones, as the format has no flags; regions are left out, as Ultralytics' own converter
    of COCO does.
    """
    import yaml  # noqa: PLC0415 (few data sets have such a file)

    copies = copy_images(dataset, path / "images", unique_stems=True)
    (path / "labels").mkdir(exist_ok=True)
    for index, image in enumerate(copies):
        lines = _lines_of(dataset, index, image)
        (path / "labels" / f"{image.stem}.txt").write_text("".join(lines), encoding="utf-8")
    files: dict[str, str] = {} if splits else {"all": "images"}
    complete = with_rest(splits, len(dataset)) if splits else {}
    for name, indices in complete.items():
        known = KEYS.get(name, name)
        key = name if known in (*complete, *files) else known
        files[key] = f"{key}.txt"
        listed = "".join(f"./images/{copies[index].name}\n" for index in indices)
        (path / files[key]).write_text(listed, encoding="utf-8")
    names = dict(enumerate(dataset.class_names))
    content = {"nc": len(names), **files, "names": names}
    with (path / "data.yaml").open("w", encoding="utf-8") as file:
        yaml.safe_dump(content, file, allow_unicode=True, sort_keys=False, width=1000)


FORMAT = Format(
    name="YOLO",
    layout="YOLO (data.yaml, obj.data, or images with text files of class and box)",
    recognise=recognise,
    splits=_splits,
    read=_read,
    write=_write,
    without={
        "difficult": "become ordinary objects",
        "crowd": LEFT_OUT,
        "area": "become those of the boxes",
        "id": LEFT_OUT,
    },
)


@dataclass
class _Reader:
    """Reads the images of one split."""

    layout: YoloLayout
    findings: Findings = field(init=False)
    without_file: int = 0  # images

    def __post_init__(self) -> None:
        self.findings = Findings(list(self.layout.findings))

    def read(self, places: Sequence[Path]) -> Annotations:
        """Read the images in these folders, and those in these lists."""
        images: dict[tuple[Path | None, str], AnnotatedImage] = {}
        for place in places:
            found = self._in_list(place) if place.is_file() else self._in_folder(place)
            for one in found:
                images.setdefault((one.folder, one.name or str(one.stem)), one)
        if self.without_file:
            self.findings.add(
                "reader",
                f"{count_of(self.without_file, 'images')} without a file of labels: taken as "
                f"images without objects",
            )
        root = self.layout.root
        folders = [place for place in places if not place.is_file()]
        return Annotations(
            root,
            list(images.values()),
            list(dict.fromkeys((*folders, root, root / "images", root / "labels"))),
            self.layout.file,
            class_names=self.layout.class_names,
            entry="line",
            normalized=True,
            findings=self.findings,
        )

    def _in_folder(self, folder: Path) -> Iterator[AnnotatedImage]:
        """Yield the images in a folder, and the labels without an image."""
        labels_folder = counterpart(folder, self.layout.root, "images", "labels")
        both = [folder] if labels_folder is None else [folder, labels_folder]
        left = {file: None for place in both for file in walk_files(place) if _is_text(file)}
        suffixes = image_suffixes()
        for image in walk_files(folder):
            if image.suffix.lower() not in suffixes:
                continue
            label = next((one for one in self._labels_of(image) if one in left), None)
            if label is not None:
                del left[label]
            yield self._image(image.name, image.parent, label)
        for label in left:
            # Beside images there are other texts as well.
            if label.is_relative_to(labels_folder or self.layout.root / "labels") or is_label(
                label
            ):
                home = counterpart(label, self.layout.root, "labels", "images") or label
                yield self._image("", home.parent, label)

    def _in_list(self, file: Path) -> Iterator[AnnotatedImage]:
        """Yield the images that a text file lists."""
        root = self.layout.root
        homes: dict[str, Path] = {}
        with file.open(encoding="utf-8-sig", errors="replace") as lines:
            listed = {line.strip(): number for number, line in enumerate(lines, start=1)}
        for line, number in listed.items():
            if not line:
                continue
            folder, _, name = line.replace("\\", "/").rpartition("/")
            if folder not in homes:
                homes[folder] = find_folder(folder, root, [file.parent, root]) or root
            image = homes[folder] / name
            label = next((one for one in self._labels_of(image) if one.is_file()), None)
            one = self._image(name, image.parent, label)
            one.place = f"{file}, line {number}"
            yield one

    def _labels_of(self, image: Path) -> Iterator[Path]:
        """Yield where the labels of an image may be."""
        other = counterpart(image, self.layout.root, "images", "labels")
        if other is not None:
            yield other.with_suffix(".txt")
        yield image.with_suffix(".txt")

    def _image(self, name: str, folder: Path, label: Path | None) -> AnnotatedImage:
        """Read the labels of an image; without a name its stem is theirs."""
        objects: list[AnnotatedObject] = []
        if label is None:
            self.without_file += 1
        else:
            with self.findings.collect(str(label), kind="file"):
                objects += self._objects(label)
        stem = None if name or label is None else label.stem
        place = str(folder / name if label is None else label)
        return AnnotatedImage(name, (0, 0), objects, place, stem, folder)

    def _objects(self, label: Path) -> list[AnnotatedObject]:
        """Read a file of labels."""
        try:
            text = label.read_bytes().decode("utf-8-sig", "replace")
        except OSError as error:
            raise DataError(f"{label}: cannot be read ({error})") from error
        objects = []
        for number, line in enumerate(text.splitlines(), start=1):
            if columns := line.split():
                place = f"{label}, line {number}"
                with self.findings.collect(place):
                    objects.append(self._object(columns, number, place))
        return objects

    def _object(self, columns: Sequence[str], number: int, place: str) -> AnnotatedObject:
        """Read a line; DataError when it is malformed."""
        numbers = [_number(one, place) for one in columns]
        name = self._class_name(columns[0], numbers[0], place)
        values = numbers[1:]
        keypoints = self.layout.num_keypoints
        if keypoints and len(values) == 4 + keypoints:
            values = values[:4]
        if len(values) == 5:
            raise DataError(
                f"{place}: has 6 columns; expected class, cx, cy, width, height. A sixth is the "
                f"score of a detection, which is no ground truth"
            )
        is_polygon = len(values) >= 6 and len(values) % 2 == 0
        if len(values) != 4 and not is_polygon:
            raise DataError(f"{place}: has {len(columns)} columns; expected class and four numbers")
        if not 1 - LARGEST <= min(values) <= max(values) <= LARGEST:
            worst = next(one for one in values if not 1 - LARGEST <= one <= LARGEST)
            raise DataError(f"{place}: {worst:g} is no fraction of the image; expected 0 to 1")
        if is_polygon:
            self.findings.add("polygon", place)
        return AnnotatedObject(name, _around(values) if is_polygon else _corners(values), number)

    def _class_name(self, text: str, number: float, place: str) -> str:
        """Return the name of a class by its number."""
        names = self.layout.class_names
        if not number.is_integer() or number < 0:
            raise DataError(f"{place}: class {text}; expected a whole number from 0")
        if names is None:
            return str(int(number))
        if number >= len(names):
            last = f"0 to {len(names) - 1}" if names else "none"
            raise DataError(f"{place}: class {text}; {self.layout.file.name} names {last}")
        return names[int(number)]


def _is_text(file: Path) -> bool:
    return file.suffix.lower() == ".txt" and file.name.lower() not in CLASS_FILES


def _number(text: str, place: str) -> float:
    """Read a finite number."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise DataError(f"{place}: {text[:40]!r} is no number")
    return number


def _corners(values: Sequence[float]) -> Box:
    """Convert centre, width and height to corners."""
    x, y, width, height = values
    return x - width / 2, y - height / 2, x + width / 2, y + height / 2


def _around(values: Sequence[float]) -> Box:
    """Return the box around a polygon x1 y1 x2 y2 …"""
    return min(values[::2]), min(values[1::2]), max(values[::2]), max(values[1::2])


def _number_classes(parts: Sequence[Annotations]) -> None:
    """Call classes by their numbers, up to the largest."""
    names = {one.name for part in parts for image in part.images for one in image.objects}
    for part in parts:
        part.class_names = [str(number) for number in range(max(map(int, names), default=-1) + 1)]


def _lines_of(dataset: DataSet, index: int, image: Path) -> Iterator[str]:
    """Write the lines of an image, without its regions."""
    from singleshot.data.image_files.decoding import image_size  # noqa: PLC0415 (imports PyTorch)

    height, width = image_size(image)
    truth = dataset.exact_truth(index)
    for (x1, y1, x2, y2), label, crowd in zip(
        truth.boxes.tolist(), truth.labels.tolist(), truth.crowd.tolist(), strict=True
    ):
        if not crowd:
            centre = (x1 + x2) / 2 / width, (y1 + y2) / 2 / height
            sides = (x2 - x1) / width, (y2 - y1) / height
            yield f"{label} {' '.join(map(repr, (*centre, *sides)))}\n"
