"""CSV: a table with a row for each box, `image,xmin,ymin,xmax,ymax,label`, with or without header.

Accepted are columns as other programs name them (`filename,width,height,class,xmin,…` of
TensorFlow's object detection API and Roboflow, `path,x1,y1,x2,y2,class` of keras-retinanet, `x,y`
with `width,height`, one column `bbox` with `[x, y, width, height]`), commas, semicolons and tabs
between them, and decimal commas. A row with an image alone is an image without objects. Without a
header the columns are ours, TensorFlow's, SKU-110K's or makesense.ai's. `classes.csv`
(`name,number`) beside the tables orders the classes. Splits are named by the stems of the files:
`train.csv` and `train_labels.csv` are `train`, of which all files are read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from singleshot.data.findings import Findings
from singleshot.data.formats.annotations import (
    AnnotatedImage,
    AnnotatedObject,
    Annotations,
    Box,
    with_rest,
)
from singleshot.data.formats.copying import copy_images
from singleshot.data.formats.csv_files import (
    Row,
    first_row,
    group_tables,
    image_reference,
    names_image,
    plain_key,
    read_decimal,
    read_rows,
    write_rows,
)
from singleshot.data.formats.entries import Entry
from singleshot.data.formats.format import LEFT_OUT, Format
from singleshot.data.formats.split_names import choose_split
from singleshot.errors import DataError

if TYPE_CHECKING:
    from singleshot.data.dataset import DataSet
else:
    DataSet = Any  # importing it would import PyTorch, which recognising does without

__all__ = ["FORMAT"]

FOLDERS = ("", "annotations", "data", "labels", "csv")  # in which tables are looked for
CLASSES = "classes.csv"
UNLABELLED = "object"  # the class of a table without classes
_AFFIXES = re.compile(r"^(annotations?|labels?)[-_]|[-_](annotations?|labels?|boxes|bboxes)$")

# Columns by their plain names (`plain_key`), the first that is there.
IMAGE: Sequence[str] = [
    *("image", "imagename", "imagepath", "imagefile", "imagefilename", "imageid"),
    *("filename", "filepath", "file", "path", "img", "imgname", "imgpath", "imgid", "frame"),
]
LABEL = ("label", "class", "category", "classname", "labelname", "categoryname", "name", "classid")
SIDES: Mapping[str, Sequence[Sequence[str]]] = {
    "corners": (
        ("xmin", "x1", "left", "bboxxmin", "bboxx1", "minx"),
        ("ymin", "y1", "top", "bboxymin", "bboxy1", "miny"),
        ("xmax", "x2", "right", "bboxxmax", "bboxx2", "maxx"),
        ("ymax", "y2", "bottom", "bboxymax", "bboxy2", "maxy"),
    ),
    "centre": (
        ("cx", "xcenter", "centerx", "xcentre"),
        ("cy", "ycenter", "centery", "ycentre"),
        ("w", "width", "boxwidth", "bboxwidth"),
        ("h", "height", "boxheight", "bboxheight"),
    ),
    "lengths": (
        ("x", "left", "xmin", "x1", "bboxx", "bboxleft"),
        ("y", "top", "ymin", "y1", "bboxy", "bboxtop"),
        ("w", "width", "boxwidth", "bboxwidth", "bboxw"),
        ("h", "height", "boxheight", "bboxheight", "bboxh"),
    ),
}
WHOLE = ("bbox", "box", "boundingbox")  # of all four numbers: left, top, width, height
HEIGHT = ("imageheight", "imgheight", "height")
WIDTH = ("imagewidth", "imgwidth", "width")

_Form = Literal["corners", "centre", "lengths"]


class _Columns(NamedTuple):
    """Numbers of the columns of a table."""

    width: int  # of the table
    image: int
    label: int | None
    box: Sequence[int]
    form: _Form = "corners"
    size: tuple[int | None, int | None] = (None, None)  # (height, width)
    difficult: int | None = None
    crowd: int | None = None
    has_header: bool = False


# Tables without header: what each column holds, i an image, n a number, t text.
WITHOUT_HEADER = {
    "innnnt": _Columns(6, 0, 5, (1, 2, 3, 4)),
    "inntnnnn": _Columns(8, 0, 3, (4, 5, 6, 7), size=(2, 1)),  # TensorFlow's
    "innnntnn": _Columns(8, 0, 5, (1, 2, 3, 4), size=(7, 6)),  # SKU-110K
    "tnnnninn": _Columns(8, 5, 0, (1, 2, 3, 4), "lengths", size=(7, 6)),  # makesense.ai
}


class _Table(NamedTuple):
    """A file with annotations."""

    file: Path
    separator: str
    columns: _Columns


def _recognise(path: Path) -> bool:
    """Check whether this is a table of boxes, or a folder with one."""
    return bool(_tables(path))


def _splits(path: Path) -> tuple[str, ...]:
    """List the stems of the tables, without words such as `_labels`; several may have the same."""
    return tuple(_tables(path))


def _read(path: Path, split: str | None = None) -> list[Annotations]:
    """Read the images of a split, or of all tables; classes are those of all tables.

    Raises:
        DataError: a table cannot be read at all.
    """
    tables = _tables(path)
    chosen = tuple(tables) if split is None else (choose_split(split, tuple(tables), path),)
    root = path if path.is_dir() else path.parent
    listed = _class_list(root)
    read = {
        name: [_read_table(table, name, root, listed) for table in of_name]
        for name, of_name in tables.items()
    }
    parts = [part for of_name in read.values() for part in of_name]
    found = {one.name for part in parts for image in part.images for one in image.objects}
    for part in parts:
        part.class_names = listed or sorted(found)
    return [part for name in chosen for part in read[name]]


def _write(
    dataset: DataSet, path: Path, *, splits: Mapping[str, Sequence[int]] | None = None
) -> None:
    """Write a table for each split, `classes.csv` and copies of the images in `images/`.

    Images in no split: see `with_rest`. Columns `difficult` and `crowd` are there where an object
    is.
    """
    copies = copy_images(dataset, path / "images")
    flags = [flag for flag in ("difficult", "crowd") if getattr(dataset.truths, flag).any()]
    header = ["image", "xmin", "ymin", "xmax", "ymax", "label", *flags]
    for name, indices in with_rest(splits, len(dataset)).items():
        rows = (
            row for index in indices for row in _rows_of(dataset, index, copies[index].name, flags)
        )
        write_rows(path / f"{name}.csv", header, rows)
    numbered = [(name, number) for number, name in enumerate(dataset.class_names)]
    write_rows(path / CLASSES, ("class", "number"), numbered)


FORMAT = Format(
    name="CSV",
    layout="CSV (tables with a row for each box: image,xmin,ymin,xmax,ymax,label)",
    recognise=_recognise,
    splits=_splits,
    read=_read,
    write=_write,
    without={"area": "become those of the boxes", "id": LEFT_OUT},
)


def _tables(path: Path) -> dict[str, list[_Table]]:
    """Map each split to its tables."""
    return group_tables(path, FOLDERS, _table, _split_name)


def _split_name(file: Path) -> str:
    """Return the name of the split that a table has: `train` of `train_labels.csv`."""
    return _AFFIXES.sub("", file.stem) or file.stem.strip("_-")


def _table(file: Path) -> _Table | None:
    """Detect the columns of a table; None for one that has no boxes."""
    first = first_row(file, lambda cells: _columns(cells) is not None)
    if first is None:
        return None
    columns = _columns(first[1])
    assert columns is not None
    return _Table(file, first[0], columns)


def _columns(cells: Sequence[str]) -> _Columns | None:
    """Find the columns by the first row: a header, or the first box."""
    keys = {plain_key(cell): number for number, cell in reversed([*enumerate(cells)])}
    image, label = _first(IMAGE, keys), _first(LABEL, keys)
    if image is None:
        return _columns_without_header(cells)
    if {"imageid", "labelname"} <= keys.keys():
        return None  # Open Images
    forms: Sequence[_Form] = ("corners", "centre", "lengths")
    for form in forms:
        box = [number for names in SIDES[form] if (number := _first(names, keys)) is not None]
        if len(set(box)) == 4:
            break
    else:
        form, whole = "lengths", _first(WHOLE, keys)
        if whole is None:
            return None
        box = [whole]
    size = _first(HEIGHT, keys), _first(WIDTH, keys)
    if size[0] in box or size[1] in box:
        size = None, None
    flags = keys.get("difficult"), keys.get("crowd", keys.get("iscrowd"))
    return _Columns(len(cells), image, label, box, form, size, *flags, has_header=True)


def _first(names: Iterable[str], keys: Mapping[str, int]) -> int | None:
    """Return the number of the first of these columns that is there."""
    return next((keys[name] for name in names if name in keys), None)


def _columns_without_header(cells: Sequence[str]) -> _Columns | None:
    """Find the columns of a table whose first row is a box, or an image alone."""
    if len(cells) == 6 and names_image(cells[0]) and not any(cells[1:]):
        return WITHOUT_HEADER["innnnt"]
    for kinds, columns in WITHOUT_HEADER.items():
        if len(kinds) == len(cells) and all(map(_is_of_kind, cells, kinds)):
            return columns
    return None


def _is_of_kind(cell: str, kind: str) -> bool:
    if kind == "t":
        return bool(cell)
    return names_image(cell) if kind == "i" else read_decimal(cell) is not None


def _class_list(root: Path) -> list[str]:
    """Read `classes.csv`: names in the order of their numbers; empty where there is none."""
    files = [root / folder / CLASSES for folder in FOLDERS if (root / folder / CLASSES).is_file()]
    numbers: dict[str, int] = {}
    for file in files[:1]:
        for line, cells in read_rows(file, ","):
            if len(cells) != 2 or not cells[1].isdecimal():
                if line == 1:
                    continue  # the header
                raise DataError(
                    f"{file}, line {line}: is {','.join(cells)!r}; expected name,number"
                )
            numbers[cells[0]] = int(cells[1])
    return sorted(numbers, key=numbers.__getitem__)


def _read_table(table: _Table, split: str, root: Path, class_list: Sequence[str]) -> Annotations:
    """Read all rows of a table; rows of one image are its objects."""
    findings = Findings()
    images: dict[str, AnnotatedImage] = {}
    rows = read_rows(table.file, table.separator)
    if table.columns.has_header:
        next(rows, None)
    for row in rows:
        place = f"{table.file}, line {row.line}"
        with findings.collect(place):
            _read_row(row, place, table.columns, images, class_list)
    home = table.file.parent
    folders = (home, root, home / split, root / split, root / "images" / split, root / "images")
    return Annotations(
        root,
        list(images.values()),
        list(dict.fromkeys(folders)),
        table.file,
        entry="line",
        findings=findings,
    )


def _read_row(
    row: Row,
    place: str,
    columns: _Columns,
    images: dict[str, AnnotatedImage],
    class_list: Sequence[str],
) -> None:
    """Add a row to its image; DataError when it is malformed."""
    cells = row.cells
    if len(cells) < columns.width or any(cells[columns.width :]):
        raise DataError(f"{place}: has {len(cells)} columns; expected {columns.width}")
    reference = cells[columns.image]
    if not reference:
        raise DataError(f"{place}: names no image; expected the name of its file")
    one = _read_object(row, place, columns)
    if one is not None and class_list and one.name not in class_list:
        raise DataError(f"{place}: class {one.name!r} is none of those in {CLASSES}")
    if reference not in images:
        name, stem = image_reference(reference)
        images[reference] = AnnotatedImage(name, _size_of(cells, columns), [], place, stem)
    if one is not None:
        images[reference].objects.append(one)


def _read_object(row: Row, place: str, columns: _Columns) -> AnnotatedObject | None:
    """Read the box of a row; None where it has neither a box nor a class."""
    texts = [row.cells[number] for number in columns.box]
    if len(texts) == 1:
        texts = texts[0].strip("[]() ").split(",")
    label = UNLABELLED if columns.label is None else row.cells[columns.label]
    if not any(texts) and (columns.label is None or not label):
        return None
    numbers = [number for text in texts if (number := read_decimal(text)) is not None]
    if len(numbers) != 4:
        raise DataError(f"{place}: the box is {', '.join(map(repr, texts))}; expected four numbers")
    if not label:
        raise DataError(f"{place}: has a box without class; add it or remove the row")
    flags = [
        number is not None and Entry({name: row.cells[number]}, place).flag(name)
        for name, number in (("difficult", columns.difficult), ("crowd", columns.crowd))
    ]
    return AnnotatedObject(label, _corners(numbers, columns.form), row.line, *flags)


def _corners(numbers: Sequence[float], form: _Form) -> Box:
    """Convert the numbers of a box to its corners."""
    x, y, right, bottom = numbers
    if form == "lengths":
        return x, y, x + right, y + bottom
    if form == "centre":
        return x - right / 2, y - bottom / 2, x + right / 2, y + bottom / 2
    return x, y, right, bottom


def _size_of(cells: Sequence[str], columns: _Columns) -> tuple[int, int]:
    """Read the (height, width) of the image; 0 where it is not stated."""
    values = {
        name: read_decimal(cells[number])
        for name, number in zip(("height", "width"), columns.size, strict=True)
        if number is not None
    }
    entry = Entry(values, "")
    return entry.side("height"), entry.side("width")


def _rows_of(
    dataset: DataSet, index: int, name: str, flags: Sequence[str]
) -> Iterable[Sequence[object]]:
    """Write the rows of an image: one for each object, or one without a box."""
    truth = dataset.exact_truth(index)
    image = f"images/{name}"
    if not len(truth):
        return [[image, *[""] * (5 + len(flags))]]
    marks = [getattr(truth, flag).int().tolist() for flag in flags]
    labels = [dataset.class_names[label] for label in truth.labels.tolist()]
    return [
        [image, *box, label, *of_flags]
        for box, label, *of_flags in zip(truth.boxes.tolist(), labels, *marks, strict=True)
    ]
