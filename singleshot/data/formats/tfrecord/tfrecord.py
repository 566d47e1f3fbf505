"""TFRecord, as the TensorFlow Object Detection API reads it: images and boxes in one file.

Accepted are `NAME.tfrecord`, `NAME.record` and their shards, `NAME.record-00000-of-00010`, alone or
in a folder. NAME is the split, or ends with it: `coco_train`. Classes are the texts of the objects;
where these have numbers alone, and for their order, a `label_map.pbtxt` beside is read.

Images are not unpacked: their paths are places in the file (`image_files.archives`). Boxes are
fractions of the image; `is_crowd` and `group_of` make a region. TensorFlow reads no EXIF
orientation: an image that has one is written upright, encoded anew.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from singleshot.data.findings import Findings
from singleshot.data.formats.annotations import (
    AnnotatedImage,
    AnnotatedObject,
    Annotations,
    with_rest,
)
from singleshot.data.formats.copying import unique_names
from singleshot.data.formats.entries import as_side
from singleshot.data.formats.format import LEFT_OUT, Format
from singleshot.data.formats.split_names import in_split, names_split
from singleshot.data.image_files.archives import member_path
from singleshot.data.image_files.suffixes import suffix_of
from singleshot.errors import DataError
from singleshot.files import without_hidden, write_atomically

if TYPE_CHECKING:
    from singleshot.data.dataset import DataSet
    from singleshot.data.formats.tfrecord.files import Example, Record
else:
    DataSet = Example = Record = Any  # recognising does without what they import

__all__ = ["FORMAT"]

SHARD = r"-\d{3,6}-of-\d{3,6}"
FILE = re.compile(
    rf"(?P<name>.+?)(?:{SHARD})?\.(?:tfrecords?|tfrec|record)(?:{SHARD})?", re.IGNORECASE
)
LABEL_MAP = "label_map.pbtxt"
CORNERS = ("xmin", "ymin", "xmax", "ymax")
BOX = "image/object/bbox/"
TOKEN = re.compile(r""""(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|#[^\n]*|[{}:]|[^\s{}:,;"'#]+""")


def _recognise(path: Path) -> bool:
    """Check whether this is a TFRecord, or a folder with one, by their names."""
    return bool(_files(path))


def _splits(path: Path) -> tuple[str, ...]:
    """List the splits that the names of the files end with, in alphabetical order."""
    return tuple(_files(path))


def _read(path: Path, split: str | None = None) -> list[Annotations]:
    """Read the images of a split, or of all files; classes in the order of the label map."""
    return [_read_file(file) for files in in_split(_files(path), split, path) for file in files]


def _write(
    dataset: DataSet, path: Path, *, splits: Mapping[str, Sequence[int]] | None = None
) -> None:
    """Write a file for each split, with the images in it, and a label map."""
    from singleshot.data.formats.tfrecord.files import encode_record  # noqa: PLC0415 (a C library)

    names = unique_names(dataset, by_stem=False)
    path.mkdir(parents=True, exist_ok=True)
    for name, indices in with_rest(splits, len(dataset)).items():
        # The images may be in the very file that is replaced.
        with write_atomically(path / f"{name}.tfrecord") as beside, beside.open("wb") as file:
            for index in indices:
                file.write(encode_record(_encode_image(dataset, index, names[index])))
    items = (
        f"item {{\n  name: {_quote(name)}\n  id: {number}\n}}\n"
        for number, name in enumerate(dataset.class_names, start=1)
    )
    (path / LABEL_MAP).write_text("".join(items), encoding="utf-8")


FORMAT = Format(
    name="TFRecord",
    layout="TFRecord (NAME.tfrecord or NAME.record, also in shards, with label_map.pbtxt)",
    recognise=_recognise,
    splits=_splits,
    read=_read,
    write=_write,
    without={"overlap": "are written into each, as images of their own", "id": LEFT_OUT},
)


def _files(path: Path) -> dict[str, list[Path]]:
    """Map each split to its files, the shards in order."""
    candidates = [path] if path.is_file() else sorted(without_hidden(path.iterdir()))
    by_name: dict[str, list[Path]] = {}
    for file in candidates:
        if (found := FILE.fullmatch(file.name)) and file.is_file():
            by_name.setdefault(found["name"], []).append(file)
    files: dict[str, list[Path]] = {}
    for name, of_name in by_name.items():
        last = re.split(r"[-_.]", name)[-1]
        files.setdefault(last if names_split(last) else name, []).extend(of_name)
    return dict(sorted(files.items()))


def _read_file(file: Path) -> Annotations:
    """Read all images of one file, in its order; what is behind a damaged record is not."""
    from singleshot.data.formats.tfrecord.files import read_records  # noqa: PLC0415 (a C library)

    findings = Findings()
    label_map: dict[int, str] = {}
    images: list[AnnotatedImage] = []
    with findings.collect(str(file), kind="file"):
        if labels := _find_label_map(file):
            label_map = _read_label_map(labels)
        for record in read_records(file):
            place = f"{file}: record {record.number}"
            with findings.collect(place):
                images.append(_read_image(record, file, place, label_map))
    used = {one.name for image in images for one in image.objects}
    known = list(dict.fromkeys(label_map[number] for number in sorted(label_map)))
    return Annotations(
        root=file.parent,
        images=images,
        folders=(file.parent,),
        file=file,
        class_names=[*known, *sorted(used.difference(known))],
        normalized=True,
        findings=findings,
    )


def _find_label_map(file: Path) -> Path | None:
    """Find the label map beside: Roboflow's `cells_label_map.pbtxt`, or the only one."""
    maps = sorted(without_hidden(file.parent.glob("*.pbtxt")))
    found = FILE.fullmatch(file.name)
    own = [] if found is None else [f"{found['name']}_{LABEL_MAP}"]
    named = [one for name in (*own, LABEL_MAP) for one in maps if one.name == name]
    return next(iter(named or (maps if len(maps) == 1 else [])), None)


def _read_label_map(file: Path) -> dict[int, str]:
    """Read `item { id: 1 name: 'cat' }` …; MIDs such as `/m/01yrx` give way to `display_name`."""
    text = file.read_bytes().decode("utf-8", "replace")
    tokens = [token for token in TOKEN.findall(text) if not token.startswith("#")]
    names: dict[int, str] = {}
    depth = 0
    values: dict[str, str] = {}
    for index, token in enumerate(tokens):
        if token == "{":
            depth += 1
            values = {} if depth == 1 else values
        elif token == "}":
            depth -= 1
            if depth == 0:
                number, name = _item(values, file)
                names[number] = name
        elif depth == 1 and tokens[index + 1 : index + 2] == [":"]:
            values[token] = "".join(tokens[index + 2 : index + 3])
    return names


def _item(values: Mapping[str, str], file: Path) -> tuple[int, str]:
    """Read id and name of an item of a label map."""
    number = values.get("id", "")
    if not number.isdecimal() or len(number) > 9:
        raise DataError(f"{file}: an item has the id {number!r}; expected a number from 1")
    name, shown = (_unquote(values.get(key, "")) for key in ("name", "display_name"))
    best = shown if shown and (not name or name.startswith("/m/")) else name
    if not best:
        raise DataError(f"{file}: the item with id {number} has no name; add it")
    return int(number), best


def _quote(name: str) -> str:
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _unquote(token: str) -> str:
    """Read the text between quotes, whose escapes are those of C."""
    try:
        return codecs.escape_decode(token[1:-1].encode())[0].decode().strip()
    except ValueError:
        return token[1:-1].strip()


def _read_image(
    record: Record, file: Path, place: str, label_map: Mapping[int, str]
) -> AnnotatedImage:
    """Read the image of a record and its objects."""
    from singleshot.data.formats.tfrecord.files import Example  # noqa: PLC0415 (a C library)

    example = Example(record.payload, place)
    span = example.span("image/encoded")
    if span is None or span[0] == span[1]:
        keys = ", ".join(sorted(example.features)[:8])
        raise DataError(f"{place}: has no image/encoded, but {keys or 'nothing'}")
    start, end = span
    name = _name_of(example, record, record.payload[start : start + 4])
    sides = [example.integers(f"image/{side}") for side in ("height", "width")]
    height, width = (as_side(side[0]) if len(side) == 1 else 0 for side in sides)
    objects = []
    for number, stated in enumerate(_columns(example, label_map), start=1):
        # As a part of the image's: without a size of the image, the box's own area counts.
        area = None if stated.area is None or not height * width else stated.area / (height * width)
        objects.append(stated._replace(number=number, area=area))
    path = member_path(file, record.offset + start, end - start, name)
    return AnnotatedImage(name, (height, width), objects, place, file=path)


def _name_of(example: Example, record: Record, begin: bytes) -> str:
    """Return the name of the image's file, without folders, with a suffix, unlike any path."""
    stated = "".join(example.texts("image/filename")[:1])
    plain = re.sub(r"[\0-\x1f]", "", stated).replace("\\", "/").rstrip("/")
    name = plain.rpartition("/")[2].strip()
    suffix = suffix_of(begin, "")
    if name in ("", ".", ".."):
        return f"{record.number:06d}{suffix}"
    return name if Path(name).suffix else name + suffix


def _columns(example: Example, label_map: Mapping[int, str]) -> Iterator[AnnotatedObject]:
    """Read the objects, whose values are in a feature for each kind of value."""
    corners = [example.floats(BOX + corner) for corner in CORNERS]
    count = len(corners[0])
    if any(len(column) != count for column in corners):
        lengths = ", ".join(f"{key} {len(one)}" for key, one in zip(CORNERS, corners, strict=True))
        raise DataError(f"{example.place}: its corners differ in number: {lengths}")
    flags = [
        _column(example, f"image/object/{key}", count, 0)
        for key in ("difficult", "is_crowd", "group_of")
    ]
    areas = example.floats("image/object/area")
    names = _names(example, count, label_map)
    for index, name in enumerate(names):
        x1, y1, x2, y2 = (column[index] for column in corners)
        difficult, *crowd = (bool(flag[index]) for flag in flags)
        area = areas[index] if len(areas) == count and areas[index] > 0 else None
        yield AnnotatedObject(
            name, (x1, y1, x2, y2), difficult=difficult, crowd=any(crowd), area=area
        )


def _column(example: Example, key: str, count: int, missing: int) -> list[int]:
    """Read an integer for each object, or take `missing` for all."""
    numbers = example.integers(key)
    if numbers and len(numbers) != count:
        raise DataError(f"{example.place}: {key} has {len(numbers)} values for {count} boxes")
    return numbers or [missing] * count


def _names(example: Example, count: int, label_map: Mapping[int, str]) -> list[str]:
    """Read the class of each object: its text, else its number by the label map."""
    texts = [text.strip() for text in example.texts("image/object/class/text")]
    if texts and len(texts) != count:
        raise DataError(f"{example.place}: has {len(texts)} class texts for {count} boxes")
    if len(texts) == count and all(texts):
        return texts
    labels = _column(example, "image/object/class/label", count, 0)
    unknown = next((label for label in labels if label not in label_map), None)
    if unknown is not None:
        raise DataError(
            f"{example.place}: has an object of class {unknown} without text, which no "
            f"{LABEL_MAP} beside the file explains"
        )
    return [label_map[label] for label in labels]


def _encode_image(dataset: DataSet, index: int, filename: str) -> bytes:
    """Encode an image and its objects, with the keys of the Object Detection API."""
    from singleshot.data.formats.tfrecord.files import Value, encode_example  # noqa: PLC0415
    from singleshot.data.image_files.decoding import image_size, read_upright  # noqa: PLC0415 (PyTorch)

    path = Path(dataset.paths[index])
    height, width = image_size(path)
    content = read_upright(path)
    truth = dataset.exact_truth(index)
    name = filename.encode()
    suffix = suffix_of(content, path.suffix)
    columns = dict(zip(CORNERS, truth.boxes.T.tolist(), strict=True))
    labels = truth.labels.tolist()
    features: dict[str, Value] = {
        "image/filename": [name],
        "image/source_id": [name],
        "image/encoded": [content],
        "image/format": [suffix.replace(".jpg", ".jpeg").removeprefix(".").encode()],
        "image/height": [height],
        "image/width": [width],
        **{
            BOX + key: [side / (width if key.startswith("x") else height) for side in column]
            for key, column in columns.items()
        },
        "image/object/class/text": [dataset.class_names[label].encode() for label in labels],
        "image/object/class/label": [label + 1 for label in labels],
        "image/object/difficult": [int(flag) for flag in truth.difficult.tolist()],
        "image/object/is_crowd": [int(flag) for flag in truth.crowd.tolist()],
        "image/object/area": truth.areas.tolist(),
    }
    return encode_example(features)
