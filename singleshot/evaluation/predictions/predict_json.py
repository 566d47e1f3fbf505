"""JSON of `singleshot predict --json`.

`[{"image": "a.jpg", "width": 640, "height": 480, "detections": [{"box": [x1, y1, x2, y2], "label":
"cat", "score": 0.9}, …]}, …]`: images are found in the data set by their names, classes likewise.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from singleshot.data.dataset import DataSet
from singleshot.errors import DataError
from singleshot.evaluation.predictions.coco_results import (
    box_column,
    number_column,
    require_objects,
)
from singleshot.evaluation.predictions.collector import PredictionCollector, Rows
from singleshot.evaluation.predictions.image_names import (
    UNKNOWN,
    ImageNames,
    refuse_second_name,
)

__all__ = ["KEYS", "read"]

KEYS = {"image", "detections"}


@dataclass(frozen=True)
class _ImageDetections:
    """Source of the detections of some images, one after the other."""

    path: Path
    places: list[tuple[int, int]]  # (number of the image's entry, of the detection in it)
    images: list[str]
    detections: list[dict[str, Any]]

    def place(self, row: int) -> str:
        entry, detection = self.places[row]
        return f"{self.path}: entry {entry} ({self.images[row]}), detection {detection}"

    def text(self, row: int) -> str:
        return json.dumps(self.detections[row])[:200]

    def image(self, row: int) -> str:
        return self.images[row]

    def class_name(self, row: int) -> str:
        return str(self.detections[row].get("label"))


def read(
    batches: Iterable[list[Any]],
    path: Path,
    dataset: DataSet,
    *,
    names: ImageNames,
    collector: PredictionCollector,
) -> None:
    """Add all detections of a list; DataError for an item of another form."""
    label_of: dict[object, int] = {name: label for label, name in enumerate(dataset.class_names)}
    name_of: dict[int, str] = {}
    first = 0
    for batch in batches:
        require_objects(batch, path, first)
        source = _detections_of(batch, path, first)
        for image in dict.fromkeys(source.images):
            refuse_second_name(path, names[image], image, name_of)
        collector.add(rows_of(source, names, label_of))
        first += len(batch)


def _detections_of(batch: list[dict[str, Any]], path: Path, first: int) -> _ImageDetections:
    """Join the detections of the images, end to end."""
    places: list[tuple[int, int]] = []
    images: list[str] = []
    found: list[dict[str, Any]] = []
    for number, (image, detections) in enumerate(entries_of(batch, path, first), start=first):
        places += [(number, place) for place in range(len(detections))]
        images += [image] * len(detections)
        found += detections
    return _ImageDetections(path, places, images, found)


def entries_of(
    batch: list[dict[str, Any]], path: Path, first: int
) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Yield the name and the detections of each image."""
    for number, entry in enumerate(batch, start=first):
        image: Any = entry.get("image")
        detections: Any = entry.get("detections")
        right = isinstance(image, str) and isinstance(detections, list)
        if not right or not set(map(type, detections)) <= {dict}:
            raise DataError(
                f"{path}: entry {number} needs 'image': a name, and 'detections': a list of "
                f"objects: {json.dumps(entry)[:200]}; correct or remove it"
            )
        yield image, detections


def rows_of(source: _ImageDetections, names: ImageNames, label_of: dict[object, int]) -> Rows:
    labels = [one.get("label") for one in source.detections]
    return Rows(
        images=np.array([names[image] for image in source.images], np.int64),
        labels=np.array(
            [
                label_of.get(label, UNKNOWN) if isinstance(label, str) else UNKNOWN
                for label in labels
            ],
            np.int64,
        ),
        boxes=box_column(source.detections, "box"),
        scores=number_column(source.detections, "score"),
        source=source,
        box_key="'box'",
        score_key="'score'",
    )
