"""Label Studio: JSON with a list of tasks, as its exports "JSON" and "JSON_MIN" write it.

Boxes are in percent of the image. Read are `rectanglelabels`, `polygonlabels` by the box around
them, and rectangles that a `labels` of the same region names; other results are counted and left
out. Of several annotations of a task the first counts that was not cancelled; predictions do not.
A task without an annotation is left out.

Images are looked for by the path in the task, beside the file, in `images/` or anywhere below;
uploads also without the eight characters that Label Studio puts before their names.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

from singleshot.data.findings import Findings, count_of
from singleshot.data.formats.annotations import (
    AnnotatedImage,
    AnnotatedObject,
    Annotations,
    Box,
    with_rest,
)
from singleshot.data.formats.copying import copy_images
from singleshot.data.formats.entries import (
    Entry,
    as_number,
    begins_with_key,
    first_json_key,
    parse_json,
)
from singleshot.data.formats.format import LEFT_OUT, Format
from singleshot.data.formats.split_names import in_split
from singleshot.data.image_files.suffixes import image_suffixes
from singleshot.errors import DataError
from singleshot.files import without_hidden

if TYPE_CHECKING:
    from singleshot.data.dataset import DataSet
else:
    DataSet = Any  # importing them would import PyTorch, which recognising does without

__all__ = ["FORMAT"]

KEY = re.compile(
    rb'"(?:rectanglelabels|polygonlabels|was_cancelled|completed_by|from_name|annotation_id'
    rb'|total_annotations|cancelled_annotations)"\s*:|"type"\s*:\s*"(?:rectangle|polygon)labels"'
)
SHAPES = ("rectanglelabels", "rectangle", "polygonlabels", "polygon")  # types that are read
LABELS = ("rectanglelabels", "polygonlabels", "labels")
LOCAL_FILES = "/data/local-files/?d="
UPLOAD = re.compile(r"(?:^|/)upload/(?:\d+/)?([^/]+)$")
UNIQUE = re.compile(r"[0-9a-f]{8}-(.+)")  # before the name of an upload
CROWD, DIFFICULT = "crowd", "difficult"  # notes of a region that mean what they do here


@dataclass
class _Counts:
    """Counts of what a file has and is left out."""

    results: Counter[str] = field(default_factory=Counter)  # by type
    predictions: int = 0
    cancelled: int = 0
    chosen: int = 0  # tasks with several annotations
    several_labels: int = 0

    def report(self, findings: Findings) -> None:
        """Add a note for each."""
        for kind, count in sorted((+self.results).items()):
            findings.add("reader", f"left out {count_of(count, 'results')} of type {kind}")
        lines = (
            (self.predictions, "predictions", "ignored {} of Label Studio"),
            (self.cancelled, "annotations", "left out {} that were cancelled"),
            (self.chosen, "tasks", "took the first annotation of {} with several"),
            (self.several_labels, "boxes", "took the first label of {} with several"),
        )
        for count, noun, line in lines:
            if count:
                findings.add("reader", line.format(count_of(count, noun)))


def _recognise(path: Path) -> bool:
    """Check whether this is a file of Label Studio, or a folder with one."""
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
    """Write a JSON file for each split and copies of the images; images in no split: `with_rest`.

    They are named as "local files" of the folder. Objects that no metric counts get a note.
    """
    images = copy_images(dataset, path / "images")
    for name, indices in with_rest(splits, len(dataset)).items():
        tasks = [_task(dataset, index, images[index]) for index in indices]
        (path / f"{name}.json").write_text(json.dumps(tasks), encoding="utf-8")


FORMAT = Format(
    name="Label Studio",
    layout="Label Studio (JSON or JSON_MIN: a list of tasks)",
    recognise=_recognise,
    splits=_splits,
    read=_read,
    write=_write,
    without={"area": "become those of the boxes", "id": LEFT_OUT, "classes": LEFT_OUT},
)


def _files(path: Path) -> dict[str, Path]:
    """Map each split to its JSON file."""
    candidates = [path] if path.is_file() else sorted(without_hidden(path.glob("*.json")))
    return {
        file.stem: file
        for file in candidates
        if file.suffix.lower() == ".json" and _is_label_studio(file)
    }


def _is_label_studio(file: Path) -> bool:
    """Check for a list with a key of Label Studio; other formats are lists too."""
    return first_json_key(file) == "[" and begins_with_key(file, KEY)


def _read_file(file: Path) -> Annotations:
    """Read all tasks of one file, in its order."""
    findings, counts = Findings(), _Counts()
    images: list[AnnotatedImage] = []
    tasks = parse_json(file)
    if not isinstance(tasks, list):
        raise DataError(f"{file}: is no list of tasks; export it from Label Studio as JSON")
    seen: Counter[object] = Counter()
    for index, values in enumerate(tasks, start=1):
        place = f"{file}: task {index}"
        with findings.collect(place):
            task = Entry(values, place)
            source = _image_of(task)
            results = _results_of(task, seen, counts)
            if results is None:
                if not _is_repeated(task, seen):
                    findings.add("not-annotated", place)
                continue
            name, other = _names(source, place)
            image = AnnotatedImage(name, (0, 0), [], place, other_names=other)
            _add_objects(image, results, findings, counts)
            images.append(image)
    counts.report(findings)
    home = file.parent
    return Annotations(
        root=home,
        images=images,
        folders=(home, home / "images", home / "upload"),
        file=file,
        entry="result",
        normalized=True,
        findings=findings,
    )


def _results_of(task: Entry, seen: Counter[object], counts: _Counts) -> list[Any] | None:
    """Find the results of the annotation that counts; None where a task has none."""
    if "annotations" not in task.values and "completions" not in task.values:
        return _results_of_min(task, seen, counts)
    key = "annotations" if "annotations" in task.values else "completions"
    annotations = [Entry(one, task.place) for one in task.entries(key, "annotations")]
    predictions = task.values.get("predictions")
    counts.predictions += len(predictions) if isinstance(predictions, list) else 0
    valid = [one for one in annotations if not one.flag("was_cancelled")]
    counts.cancelled += len(annotations) - len(valid)
    counts.chosen += len(valid) > 1
    return valid[0].entries("result", "results") if valid else None


def _results_of_min(task: Entry, seen: Counter[object], counts: _Counts) -> list[Any] | None:
    """Find the results in JSON_MIN, which has an entry for each annotation of a task."""
    number = task.values.get("id")
    seen[number if isinstance(number, int | str) else id(task)] += 1
    if _is_repeated(task, seen):
        counts.chosen += seen[number] == 2
        return None
    return [
        {"type": next((key for key in one if key in LABELS), "other"), "value": one, **_size(one)}
        for value in task.values.values()
        if isinstance(value, list)
        for one in value
        if isinstance(one, Mapping)
    ]


def _is_repeated(task: Entry, seen: Counter[object]) -> bool:
    """Check for a further annotation of a task of JSON_MIN."""
    number = task.values.get("id")
    return isinstance(number, int | str) and seen[number] > 1


def _size(value: Mapping[str, Any]) -> dict[str, Any]:
    keys = ("original_width", "original_height", "image_rotation")
    return {key: value[key] for key in keys if key in value}


def _image_of(task: Entry) -> str:
    """Find the path or address of the image: `image`, else the first text that looks like one."""
    data = task.values.get("data", task.values)
    texts = Entry(data, task.place).values
    if isinstance(texts.get("image"), str) and texts["image"].strip():
        return str(texts["image"]).strip()
    for text in texts.values():
        if isinstance(text, str) and PurePosixPath(_path_in(text)).suffix.lower() in (
            image_suffixes()
        ):
            return text.strip()
    raise DataError(f"{task.place}: has no image; expected its path or address as data.image")


def _path_in(source: str) -> str:
    """Return the path in an address: of a local file, an upload, HTTP or a bucket."""
    if not re.match(r"/data/|[a-z][a-z0-9+.-]+://", source, re.IGNORECASE):
        return source  # perhaps of Windows
    try:
        address = urlsplit(source)
    except ValueError:
        return source
    if directory := parse_qs(address.query).get("d"):
        return directory[0]
    return unquote(address.path.lstrip("/"))


def _names(source: str, place: str) -> tuple[str, tuple[str, ...]]:
    """Return the name of the image, perhaps with folders, and what else it may be called."""
    if source.startswith("data:"):
        raise DataError(f"{place}: the image is inside the JSON; export it with its images")
    path = _path_in(source)
    name = upload[1] if (upload := UPLOAD.search(path)) else path
    folder, slash, last = name.rpartition("/")
    other = []
    if found := UNIQUE.fullmatch(last):
        other.append(f"{folder}{slash}{found[1]}")
    if unquote(name) != name and path == source:
        other.append(unquote(name))
    return name, tuple(other)


def _add_objects(
    image: AnnotatedImage, results: Sequence[Any], findings: Findings, counts: _Counts
) -> None:
    """Add the objects of a task to its image, and the size that they state."""
    entries = []
    for number, values in enumerate(results, start=1):
        place = f"{image.place}, result {number}"
        with findings.collect(place):
            entries.append((number, Entry(values, place)))
    labels = dict(_labels_of_regions(entry for _, entry in entries))
    shapes = {str(one.values.get("id")) for _, one in entries if one.values.get("type") in SHAPES}
    for number, entry in entries:
        kind, value = str(entry.values.get("type")), entry.values.get("value")
        # A label, a text or a choice of a region repeats its box.
        own = isinstance(value, Mapping) and "x" in value and str(entry.values.get("id"))
        if kind not in SHAPES and not (kind == "labels" and own and own not in shapes):
            counts.results[kind] += kind != "labels"
            continue
        with findings.collect(entry.place):
            size = entry.side("original_height"), entry.side("original_width")
            image.size = size if all(size) else image.size
            image.objects.append(_read_object(entry, number, labels, findings, counts))


def _labels_of_regions(results: Iterable[Entry]) -> Iterator[tuple[str, str]]:
    """Yield region and label of results that only name a region."""
    for result in results:
        value = result.values.get("value")
        names = value.get("labels") if isinstance(value, Mapping) else None
        if isinstance(names, list) and names and "id" in result.values:
            yield str(result.values["id"]), str(names[0])


def _read_object(
    entry: Entry, number: int, labels: Mapping[str, str], findings: Findings, counts: _Counts
) -> AnnotatedObject:
    """Read a rectangle or a polygon, in fractions of the image."""
    value = Entry(entry.values.get("value"), entry.place)
    names = next((value.values[key] for key in LABELS if value.values.get(key)), None)
    if not names:
        names = [labels.get(str(entry.values.get("id")), "")]
    if not isinstance(names, list) or not isinstance(names[0], str) or not names[0].strip():
        raise DataError(f"{entry.place}: has no label; add it or remove the region")
    if entry.values.get("image_rotation"):
        raise entry.wrong("image_rotation", "0: turn the image itself, and annotate it then")
    counts.several_labels += len(names) > 1
    meta = entry.values.get("meta")
    notes = meta.get("text", ()) if isinstance(meta, Mapping) else ()
    box = _around(value, findings) if "points" in value.values else _box(entry, value, findings)
    x1, y1, x2, y2 = (side / 100 for side in box)
    return AnnotatedObject(
        names[0].strip(),
        (x1, y1, x2, y2),
        number,
        difficult=DIFFICULT in notes,
        crowd=CROWD in notes,
    )


def _box(entry: Entry, value: Entry, findings: Findings) -> Box:
    """Read a rectangle in percent; of one that is rotated about its corner, the box around it."""
    x, y, width, height = (value.number(key) for key in ("x", "y", "width", "height"))
    angle = math.radians(value.number("rotation")) if value.values.get("rotation") else 0
    if not angle:
        return x, y, x + width, y + height
    down, right = entry.side("original_height"), entry.side("original_width")
    if not (down and right):
        raise entry.wrong("original_width", "the width of the image, to rotate the box")
    findings.add("rotated", entry.place)
    corners = [(0.0, 0.0), (width, 0.0), (width, height), (0.0, height)]
    # Percents of width and height differ in length: turned in pixels.
    pixels = [(u * right / 100, v * down / 100) for u, v in corners]
    xs = [x + (u * math.cos(angle) - v * math.sin(angle)) * 100 / right for u, v in pixels]
    ys = [y + (u * math.sin(angle) + v * math.cos(angle)) * 100 / down for u, v in pixels]
    return min(xs), min(ys), max(xs), max(ys)


def _around(value: Entry, findings: Findings) -> Box:
    """Read the box around a polygon, [[x, y], …] in percent."""
    points = value.entries("points", "points")
    pairs = [one if isinstance(one, list) else [] for one in points]
    numbers = [as_number(side) for pair in pairs for side in pair]
    known = [one for one in numbers if one is not None]
    if not known or any(len(pair) != 2 for pair in pairs) or len(known) < len(numbers):
        raise value.wrong("points", "[[x, y], …] in percent")
    findings.add("polygon", value.place)
    return min(known[::2]), min(known[1::2]), max(known[::2]), max(known[1::2])


def _task(dataset: DataSet, index: int, image: Path) -> dict[str, Any]:
    """Write a task with an annotation."""
    from singleshot.data.image_files.decoding import image_size  # noqa: PLC0415 (imports PyTorch)

    height, width = image_size(image)
    truth = dataset.exact_truth(index)
    flags = zip(truth.crowd.tolist(), truth.difficult.tolist(), strict=True)
    columns = (truth.boxes.tolist(), truth.labels.tolist(), flags)
    results = []
    for number, (box, label, (crowd, difficult)) in enumerate(zip(*columns, strict=True), start=1):
        x1, y1, x2, y2 = box
        notes = [note for note, is_set in ((CROWD, crowd), (DIFFICULT, difficult)) if is_set]
        results.append(
            {
                "id": f"{index + 1}-{number}",
                "type": "rectanglelabels",
                "from_name": "label",
                "to_name": "image",
                "original_width": width,
                "original_height": height,
                "image_rotation": 0,
                "value": {
                    "x": 100 * x1 / width,
                    "y": 100 * y1 / height,
                    "width": 100 * (x2 - x1) / width,
                    "height": 100 * (y2 - y1) / height,
                    "rotation": 0,
                    "rectanglelabels": [dataset.class_names[label]],
                },
                **({"meta": {"text": notes}} if notes else {}),
            }
        )
    path = quote(f"{image.parent.name}/{image.name}", safe="/")
    annotation = {"result": results, "was_cancelled": False}
    return {"id": index + 1, "data": {"image": LOCAL_FILES + path}, "annotations": [annotation]}
