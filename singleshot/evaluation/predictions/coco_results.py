"""COCO results: `[{"image_id": 7, "category_id": 1, "bbox": [x, y, width, height], "score": 0.9}]`.

Ids are those of the data set; an `image_id` that is text is the image's name, as Ultralytics
writes it. A `file_name` and a `category_name`, as `evaluate` writes them, go before the numbers:
many exports number the images of every split from 0.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from singleshot.errors import DataError
from singleshot.evaluation.predictions.gather import Gathering, Rows
from singleshot.evaluation.predictions.json_columns import box_column, number_column
from singleshot.evaluation.predictions.names import UNKNOWN, refuse_second_name

__all__ = ["KEYS", "Lookup", "gather", "require_objects"]

KEYS = {"image_id", "category_id", "bbox", "score"}


@dataclass(frozen=True)
class Lookup:
    """What the ids of a file mean."""

    images: Mapping[object, int]  # index in the data set; UNKNOWN, or no entry, where it has none
    labels: Mapping[object, int]
    image_names: Mapping[object, str]  # for messages, where the ids tell a person nothing
    class_names: Mapping[object, str]


@dataclass(frozen=True)
class Entries:
    """Some items of the list."""

    path: Path
    first: int  # number of the first one in the file
    entries: list[dict[str, Any]]
    lookup: Lookup

    def place(self, row: int) -> str:
        return f"{self.path}: entry {self.first + row}"

    def text(self, row: int) -> str:
        return json.dumps(self.entries[row])[:200]

    def image(self, row: int) -> str:
        return name_of(image_key(self.entries[row]), self.lookup.image_names)

    def class_name(self, row: int) -> str:
        return name_of(class_key(self.entries[row]), self.lookup.class_names)


def gather(
    batches: Iterable[list[Any]], path: Path, *, lookup: Lookup, gathering: Gathering
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
        gathering.add(rows_of(Entries(path, first, batch, lookup)))
        ids.extend([entry["id"] for entry in batch if is_whole(entry.get("id"))])
        first += len(batch)
    gathering.note_repeated_ids(path, ids)


def rows_of(source: Entries) -> Rows:
    entries, lookup = source.entries, source.lookup
    corners = box_column(entries, "bbox")
    with np.errstate(over="ignore", invalid="ignore"):  # such a box is refused
        corners[:, 2:] += corners[:, :2]
    return Rows(
        images=indices([image_key(entry) for entry in entries], lookup.images),
        labels=indices([class_key(entry) for entry in entries], lookup.labels),
        boxes=corners,
        scores=number_column(entries, "score"),
        source=source,
        box_key="'bbox'",
        score_key="'score'",
    )


def image_key(entry: dict[str, Any]) -> Any:
    """What the entry says of its image: the name, else the id."""
    name = entry.get("file_name")
    return entry.get("image_id") if name is None else name


def class_key(entry: dict[str, Any]) -> Any:
    """What the entry says of its class: the name, else the id."""
    name = entry.get("category_name")
    return entry.get("category_id") if name is None else name


def indices(keys: list[Any], index_of: Mapping[object, int]) -> np.ndarray:
    """Where each key stands."""
    try:
        return np.fromiter(map(index_of.__getitem__, keys), np.int64, len(keys))
    except (KeyError, TypeError):  # an unknown key, or a list, which can be no key
        return np.array([index_or_unknown(key, index_of) for key in keys], np.int64)


def index_or_unknown(key: Any, index_of: Mapping[object, int]) -> int:
    try:
        return index_of[key]
    except (KeyError, TypeError):
        return UNKNOWN


def name_of(key: Any, names: Mapping[object, str]) -> str:
    """For a message."""
    return names.get(key, str(key)) if isinstance(key, int | str) else str(key)


def is_whole(number: Any) -> bool:
    """Whether this is an id that fits 64 bits."""
    return type(number) is int and abs(number) < 1 << 63


def require_objects(batch: list[Any], path: Path, first: int) -> None:
    """DataError for anything that is no JSON object."""
    if set(map(type, batch)) != {dict}:
        place = next(place for place, one in enumerate(batch) if type(one) is not dict)
        text = json.dumps(batch[place])[:200]
        raise DataError(f"{path}: entry {first + place} is no detection: {text}; remove it")
