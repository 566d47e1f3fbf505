"""COCO results: `[{"image_id": 7, "category_id": 1, "bbox": [x, y, width, height], "score": 0.9}]`.

Ids are those of the data set; an `image_id` that is text is the image's name, as Ultralytics
writes it. A `file_name` and a `category_name`, as `evaluate` writes them, go before the numbers:
many exports number the images of every split from 0.

Written are both: `{"image_id": 7, "file_name": "a", "category_id": 1, "category_name": "cat", …}`
with the ids of the data set, and the name of the image, or as much of its path as is unambiguous;
where the data set has no ids of its own, `image_id` is that name, too. Numbers are written in full,
so that what was saved is evaluated exactly as before.
"""

from __future__ import annotations

import json
import math
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64

from singleshot.data.dataset import DataSet
from singleshot.errors import DataError
from singleshot.evaluation.predictions.collector import PredictionCollector, Rows
from singleshot.evaluation.predictions.image_names import UNKNOWN, ImageNames, refuse_second_name
from singleshot.files import write_atomically
from singleshot.metrics import Predictions
from singleshot.metrics.coco import to_xywh

__all__ = [
    "KEYS",
    "IdLookup",
    "box_column",
    "number_column",
    "read",
    "require_objects",
    "write_predictions",
]

KEYS = {"image_id", "category_id", "bbox", "score"}
Objects = Sequence[dict[str, Any]]
NUMBERS = {int, float}  # by their very type, because True is an int


@dataclass(frozen=True)
class IdLookup:
    """Images and classes of the ids in a file."""

    images: Mapping[object, int]  # index in the data set; UNKNOWN or no entry if it has none
    labels: Mapping[object, int]
    image_names: Mapping[object, str]  # for messages that ids alone would not explain
    class_names: Mapping[object, str]


@dataclass(frozen=True)
class _Entries:
    """Source of some items of the list."""

    path: Path
    first: int  # number of the first one in the file
    entries: list[dict[str, Any]]
    lookup: IdLookup

    def place(self, row: int) -> str:
        return f"{self.path}: entry {self.first + row}"

    def text(self, row: int) -> str:
        return json.dumps(self.entries[row])[:200]

    def image(self, row: int) -> str:
        return text_of_key(image_key(self.entries[row]), self.lookup.image_names)

    def class_name(self, row: int) -> str:
        return text_of_key(class_key(self.entries[row]), self.lookup.class_names)


def read(
    batches: Iterable[list[Any]], path: Path, *, lookup: IdLookup, collector: PredictionCollector
) -> None:
    """Add all detections of a list; DataError for an item that is no object."""
    name_of: dict[int, str] = {}
    first = 0
    ids = array("q")
    for batch in batches:
        require_objects(batch, path, first)
        images = map(image_key, batch)
        for name in dict.fromkeys(one for one in images if isinstance(one, str)):
            refuse_second_name(path, index_or_unknown(name, lookup.images), name, name_of)
        collector.add(rows_of(_Entries(path, first, batch, lookup)))
        ids.extend([entry["id"] for entry in batch if is_id(entry.get("id"))])
        first += len(batch)
    collector.note_repeated_ids(path, ids)


def rows_of(source: _Entries) -> Rows:
    entries, lookup = source.entries, source.lookup
    corners = box_column(entries, "bbox")
    with np.errstate(over="ignore", invalid="ignore"):  # such a box is refused
        corners[:, 2:] += corners[:, :2]
    return Rows(
        images=indices_of([image_key(entry) for entry in entries], lookup.images),
        labels=indices_of([class_key(entry) for entry in entries], lookup.labels),
        boxes=corners,
        scores=number_column(entries, "score"),
        source=source,
        box_key="'bbox'",
        score_key="'score'",
    )


def image_key(entry: dict[str, Any]) -> Any:
    """Get the name of the entry's image, else its id."""
    name = entry.get("file_name")
    return entry.get("image_id") if name is None else name


def class_key(entry: dict[str, Any]) -> Any:
    """Get the name of the entry's class, else its id."""
    name = entry.get("category_name")
    return entry.get("category_id") if name is None else name


def indices_of(keys: list[Any], index_of: Mapping[object, int]) -> np.ndarray:
    """Look up the index of each key."""
    try:
        return np.fromiter(map(index_of.__getitem__, keys), np.int64, len(keys))
    except (KeyError, TypeError):  # an unknown key, or a list, which can be no key
        return np.array([index_or_unknown(key, index_of) for key in keys], np.int64)


def index_or_unknown(key: Any, index_of: Mapping[object, int]) -> int:
    try:
        return index_of[key]
    except (KeyError, TypeError):
        return UNKNOWN


def text_of_key(key: Any, names: Mapping[object, str]) -> str:
    """Name a key in a message."""
    return names.get(key, str(key)) if isinstance(key, int | str) else str(key)


def is_id(number: Any) -> bool:
    """Accept an id that fits 64 bits."""
    return type(number) is int and abs(number) < 1 << 63


def require_objects(batch: list[Any], path: Path, first: int) -> None:
    """Raise DataError for anything that is no JSON object."""
    if set(map(type, batch)) != {dict}:
        place = next(place for place, one in enumerate(batch) if type(one) is not dict)
        text = json.dumps(batch[place])[:200]
        raise DataError(f"{path}: entry {first + place} is no detection: {text}; remove it")


def number_column(objects: Objects, key: str) -> Float64[np.ndarray, " n"]:
    """Take the number under this key; NaN where there is none."""
    values: list[Any] = [one.get(key) for one in objects]
    if set(map(type, values)) <= NUMBERS:
        return as_floats(values)
    return as_floats([value if type(value) in NUMBERS else math.nan for value in values])


def box_column(objects: Objects, key: str) -> Float64[np.ndarray, "n 4"]:
    """Take the four numbers under this key; NaN for anything else."""
    values: list[Any] = [one.get(key) for one in objects]
    if not are_boxes(values):
        values = [value if are_boxes([value]) else [math.nan] * 4 for value in values]
    return as_floats([*chain.from_iterable(values)]).reshape(-1, 4)


def are_boxes(values: Sequence[Any]) -> bool:
    """Accept lists of four numbers only."""
    return (
        set(map(type, values)) <= {list}
        and set(map(len, values)) <= {4}
        and set(map(type, chain.from_iterable(values))) <= NUMBERS
    )


def as_floats(values: Sequence[float]) -> Float64[np.ndarray, " n"]:
    try:
        return np.array(values, np.float64)
    except OverflowError:  # an int beyond any float
        return np.array([float(str(value)) for value in values], np.float64)


def write_predictions(predictions: Predictions, dataset: DataSet, path: Path) -> None:
    """Write a COCO results file, one detection a line."""
    names = ImageNames(dataset)
    file_names = np.array([names.shortest(index) for index in range(len(dataset))], np.str_)
    image_ids = dataset.image_ids if dataset.has_ids else file_names
    columns = (
        image_ids[predictions.images].tolist(),
        file_names[predictions.images].tolist(),
        np.array(dataset.category_ids, np.int64)[predictions.labels].tolist(),
        np.array(dataset.class_names, np.str_)[predictions.labels].tolist(),
        to_xywh(predictions.boxes).tolist(),
        predictions.scores.tolist(),
    )
    keys = ("image_id", "file_name", "category_id", "category_name", "bbox", "score")
    lines = (json.dumps(dict(zip(keys, row, strict=True))) for row in zip(*columns, strict=True))
    with write_atomically(path) as beside:
        beside.write_text("[" + ",\n".join(lines) + "]\n", encoding="utf-8")
