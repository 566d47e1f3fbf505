"""Open Images: CSV files with a row for each box, whose corners are fractions of the image.

`train-annotations-bbox.csv`, `validation-…` and `test-…` are splits. `ImageID` is the name of an
image with or without suffix, `LabelName` a class or its MID (`/m/01g317`), which
`class-descriptions-boxable.csv` beside names. Images without boxes are those that
`train-images….csv` lists in addition. A box with `IsGroupOf` is a region: detections in it are not
counted. Exports of other programs differ, as by decimal commas in quotes; they are read as well.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from singleshot.data.findings import Findings
from singleshot.data.formats.annotations import (
    AnnotatedImage,
    AnnotatedObject,
    Annotations,
    with_rest,
)
from singleshot.data.formats.copying import copy_images
from singleshot.data.formats.csv_files import (
    Row,
    first_row,
    group_tables,
    image_reference,
    plain_key,
    read_decimal,
    read_rows,
    write_rows,
)
from singleshot.data.formats.format import LEFT_OUT, Format
from singleshot.data.formats.split_names import choose_split
from singleshot.errors import DataError

if TYPE_CHECKING:
    from singleshot.data.dataset import DataSet
else:
    DataSet = Any  # importing it would import PyTorch, which recognising does without

__all__ = ["FORMAT"]

FOLDERS = ("", "annotations", "labels", "csv_folder")  # in which tables are looked for
COLUMNS = (
    "ImageID",
    "Source",
    "LabelName",
    "Confidence",
    "XMin",
    "XMax",
    "YMin",
    "YMax",
    "IsOccluded",
    "IsTruncated",
    "IsGroupOf",
    "IsDepiction",
    "IsInside",
)
BOX = ("xmin", "ymin", "xmax", "ymax")
REQUIRED = ("imageid", "labelname", *BOX)
# Of the names of classes; FiftyOne's is `metadata/classes.csv`.
DESCRIPTIONS = ("class-descriptions*.csv", "metadata/classes.csv")
_AFFIX = re.compile(r"-?annotations-bbox$|-detection-bbox$|-boxes$")


class _Table(NamedTuple):
    """A file with boxes: its columns by their plain names."""

    file: Path
    separator: str
    columns: Mapping[str, int]
    width: int


def _recognise(path: Path) -> bool:
    """Check whether this is a table with Open Images' columns, or a folder with one."""
    return bool(_tables(path))


def _splits(path: Path) -> tuple[str, ...]:
    """List the splits: `train` of `train-annotations-bbox.csv`."""
    return tuple(_tables(path))


def _read(path: Path, split: str | None = None) -> list[Annotations]:
    """Read the images of a split, or of all; classes are those with objects in any split.

    They are in the order of the file that describes them, else of their names.

    Raises:
        DataError: a table cannot be read at all.
    """
    tables = _tables(path)
    chosen = tuple(tables) if split is None else (choose_split(split, tuple(tables), path),)
    root = path if path.is_dir() else path.parent
    names = _class_names(root)
    read = {
        name: [_read_table(table, name, root, names) for table in of_name]
        for name, of_name in tables.items()
    }
    parts = [part for of_name in read.values() for part in of_name]
    found = {one.name for part in parts for image in part.images for one in image.objects}
    described = [name for name in dict.fromkeys(names.values()) if name in found]
    for part in parts:
        part.class_names = described + sorted(found.difference(described))
    return [part for name in chosen for part in read[name]]


def _write(
    dataset: DataSet, path: Path, *, splits: Mapping[str, Sequence[int]] | None = None
) -> None:
    """Write a table for each split, its list of images, the classes, and copies of the images.

    Images in no split: see `with_rest`. Names of classes stand for MIDs, and names of images have
    their suffix. Difficult objects become regions, which no metric counts either.
    """
    from singleshot.data.image_files.decoding import image_size  # noqa: PLC0415 (imports PyTorch)

    copies = copy_images(dataset, path / "images")
    sizes = [image_size(image) for image in copies]
    for name, indices in with_rest(splits, len(dataset)).items():
        rows = (
            row
            for index in indices
            for row in _rows_of(dataset, index, copies[index].name, sizes[index])
        )
        write_rows(path / f"{name}-annotations-bbox.csv", COLUMNS, rows)
        listed = ((copies[index].name, name) for index in indices)
        write_rows(path / f"{name}-images.csv", ("ImageID", "Subset"), listed)
    described = ((name, name) for name in dataset.class_names)
    write_rows(path / "class-descriptions-boxable.csv", ("LabelName", "DisplayName"), described)


FORMAT = Format(
    name="Open Images",
    layout="Open Images (CSV files with ImageID, LabelName, XMin, XMax, YMin, YMax)",
    recognise=_recognise,
    splits=_splits,
    read=_read,
    write=_write,
    without={
        "difficult": "become regions (IsGroupOf)",
        "area": "become those of the boxes",
        "id": LEFT_OUT,
        "classes": LEFT_OUT,
    },
)


def _tables(path: Path) -> dict[str, list[_Table]]:
    """Map each split to its tables."""
    return group_tables(path, FOLDERS, _table, _split_name)


def _split_name(file: Path) -> str:
    """Return the name of the split that a table has: `train` of `train-annotations-bbox.csv`."""
    return _AFFIX.sub("", file.stem) or file.stem


def _table(file: Path) -> _Table | None:
    """Detect a table of boxes by its header."""
    first = first_row(file, lambda cells: set(REQUIRED) <= set(map(plain_key, cells)))
    if first is None:
        return None
    separator, header = first
    columns = {plain_key(name): number for number, name in enumerate(header)}
    return _Table(file, separator, columns, len(header))


def _class_names(root: Path) -> dict[str, str]:
    """Map MIDs to names of classes, in the order of the file; empty where there is none."""
    files = [
        file
        for folder in FOLDERS
        for pattern in DESCRIPTIONS
        for file in sorted((root / folder).glob(pattern))
        if not file.name.startswith(".")
    ]
    names: dict[str, str] = {}
    for file in files[:1]:
        for line, cells in read_rows(file, ","):
            if len(cells) != 2:
                raise DataError(
                    f"{file}, line {line}: is {','.join(cells)!r}; expected a MID and a name"
                )
            if cells[0] != "LabelName":
                names[cells[0]] = cells[1]
    return names


def _read_table(table: _Table, split: str, root: Path, names: Mapping[str, str]) -> Annotations:
    """Read all rows of a table; rows of one image are its objects."""
    findings = Findings()
    images = {image.name or str(image.stem): image for image in _listed_images(table.file, split)}
    rows = read_rows(table.file, table.separator)
    next(rows, None)
    for row in rows:
        place = f"{table.file}, line {row.line}"
        with findings.collect(place):
            one, reference = _read_row(row, place, table, names)
            if reference not in images:
                images[reference] = _image(reference, place)
            if one is not None:
                images[reference].objects.append(one)
    return Annotations(
        root,
        list(images.values()),
        _folders(table.file, split, root),
        table.file,
        entry="line",
        normalized=True,
        findings=findings,
    )


def _folders(file: Path, split: str, root: Path) -> list[Path]:
    """List the folders in which the images of a table may lie."""
    homes = dict.fromkeys((root, file.parent))
    return [
        home / inside
        for home in homes
        for inside in ("", split, "images", f"images/{split}", "data", f"{split}/data")
    ]


def _image(reference: str, place: str) -> AnnotatedImage:
    name, stem = image_reference(reference)
    return AnnotatedImage(name, (0, 0), [], place, stem)


def _listed_images(file: Path, split: str) -> Iterator[AnnotatedImage]:
    """Yield the images that a list beside names, such as `train-images.csv`; some have no box."""
    lists = sorted(file.parent.glob(f"{split}-images*.csv")) if split != file.stem else []
    for one in lists[:1]:
        rows = read_rows(one, ",")
        header = next(rows, Row(1, [])).cells
        if header[:1] != ["ImageID"]:
            raise DataError(f"{one}: begins with {','.join(header)!r}; expected ImageID,…")
        for line, cells in rows:
            if cells[0]:
                yield _image(cells[0], f"{one}, line {line}")


def _read_row(
    row: Row, place: str, table: _Table, names: Mapping[str, str]
) -> tuple[AnnotatedObject | None, str]:
    """Read the object of a row, None where there is no box, and the image."""
    cells = row.cells
    if len(cells) < table.width or any(cells[table.width :]):
        raise DataError(f"{place}: has {len(cells)} columns; expected {table.width}")
    reference, label = (cells[table.columns[name]] for name in ("imageid", "labelname"))
    if not reference:
        raise DataError(f"{place}: has no ImageID; expected the name of an image")
    texts = [cells[table.columns[name]] for name in BOX]
    if not any(texts) and not label:
        return None, reference
    numbers = [number for text in texts if (number := read_decimal(text)) is not None]
    if len(numbers) < 4:
        shown = ", ".join(f"{name} {text!r}" for name, text in zip(BOX, texts, strict=True))
        raise DataError(f"{place}: has {shown}; expected fractions of the image")
    if max(numbers) > 1.5 or min(numbers) < -0.5:
        raise DataError(f"{place}: the box is {numbers}; expected fractions of the image, 0 to 1")
    if not label:
        raise DataError(f"{place}: has a box without LabelName; add it or remove the row")
    group = table.columns.get("isgroupof")
    x1, y1, x2, y2 = numbers
    return AnnotatedObject(
        names.get(label, label),
        (x1, y1, x2, y2),
        row.line,
        crowd=group is not None and cells[group].lower() in ("1", "true"),
    ), reference


def _rows_of(
    dataset: DataSet, index: int, name: str, size: tuple[int, int]
) -> Iterator[Sequence[object]]:
    """Write the rows of an image; boxes were drawn by hand, so their confidence is 1."""
    truth = dataset.exact_truth(index)
    height, width = size
    groups = (truth.crowd | truth.difficult).int().tolist()
    for (x1, y1, x2, y2), label, group in zip(
        truth.boxes.tolist(), truth.labels.tolist(), groups, strict=True
    ):
        box = (x1 / width, x2 / width, y1 / height, y2 / height)
        yield (name, "xclick", dataset.class_names[label], 1, *box, 0, 0, group, 0, 0)
