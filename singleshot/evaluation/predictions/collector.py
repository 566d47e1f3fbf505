"""Predictions collected from files of any format and checked: one policy for all formats."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from jaxtyping import Bool, Float64, Int64

from singleshot.data.dataset import DataSet
from singleshot.errors import DataError, some_of
from singleshot.evaluation.predictions.image_names import AMBIGUOUS, UNKNOWN
from singleshot.metrics import Predictions

__all__ = [
    "LoadedPredictions",
    "PredictionCollector",
    "RowSource",
    "Rows",
    "note_on_copies",
    "note_on_gaps",
]

NO_IDS = " (the data set has no ids: write file names as image_id, class names as category_name)"
LARGEST = 1e9  # pixels; the area of a box is still far from infinity
MIXER = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio: spreads neighbours far apart


class LoadedPredictions(NamedTuple):
    """Predictions read from files, for the images and classes of a data set."""

    predictions: Predictions
    notes: tuple[str, ...]  # messages, such as "3 of 452 detections …"
    kind: str  # the detected format


class RowSource(Protocol):
    """Source of some rows, for messages."""

    def place(self, row: int) -> str:
        """Name the entry: "found.json: entry 3"."""

    def text(self, row: int) -> str:
        """Quote the row from the file."""

    def image(self, row: int) -> str:
        """Name the image of the row by name or id."""

    def class_name(self, row: int) -> str:
        """Name the class of the row by name or id."""


class Rows(NamedTuple):
    """Some detections as their file states them."""

    images: Int64[np.ndarray, " n"]  # index in the data set, UNKNOWN or AMBIGUOUS
    labels: Int64[np.ndarray, " n"]  # index in the class names, or UNKNOWN
    boxes: Float64[np.ndarray, "n 4"]  # in our convention; NaN where there are no four numbers
    scores: Float64[np.ndarray, " n"]  # NaN if it is missing
    source: RowSource
    box_key: str  # name of the box in the file
    score_key: str


@dataclass
class _Problem:
    """One kind of error, with the first of its rows."""

    first: str  # "found.json: entry 3 has a box of negative size"
    first_text: str
    remedy: str
    num_rows: int = 0
    names: dict[str, None] = field(default_factory=dict)  # of unknown images or classes


class PredictionCollector:
    """Collects detections in growing arrays, with the errors in them."""

    def __init__(self, dataset: DataSet) -> None:
        self.dataset = dataset
        self.images, self.labels = array("q"), array("q")
        self.boxes, self.scores = array("d"), array("d")
        self.problems: dict[str, _Problem] = {}
        self.notes: list[str] = []

    def add(self, rows: Rows) -> None:
        """Check and store some rows."""
        self.check_numbers(rows)
        self.check_names(rows)
        self.images.frombytes(rows.images.tobytes())
        self.labels.frombytes(rows.labels.tobytes())
        self.boxes.frombytes(rows.boxes.tobytes())
        self.scores.frombytes(rows.scores.tobytes())

    def result(self, kind: str) -> LoadedPredictions:
        """Return all detections, in the order read.

        Raises:
            DataError: there were impossible rows; it names the first kind of error.
        """
        for problem in self.problems.values():
            raise DataError(message(problem))
        predictions = Predictions(
            images=np.asarray(self.images).view(np.int64),
            boxes=np.asarray(self.boxes).reshape(-1, 4),
            scores=np.asarray(self.scores),
            labels=np.asarray(self.labels).view(np.int64),
        )
        return LoadedPredictions(predictions, tuple(self.notes), kind)

    def note_repeated_ids(self, path: Path, ids: array[int]) -> None:
        """Note ids that several detections of one file have."""
        values, counts = np.unique(np.asarray(ids), return_counts=True)
        num_repeated = len(ids) - len(values)
        if num_repeated:
            first = values[counts > 1][0]
            self.notes.append(
                f"{path}: {num_repeated} of {len(ids)} entries have the id of another one "
                f"(such as {first}); they count all the same"
            )

    def check_numbers(self, rows: Rows) -> None:
        """Refuse impossible boxes and scores."""
        low, high = rows.boxes[:, :2], rows.boxes[:, 2:]
        self.refuse(
            rows,
            ~np.all(np.abs(rows.boxes) <= LARGEST, axis=1),
            f"needs {rows.box_key}: 4 finite numbers up to {LARGEST:.0e}",
            "correct or remove it",
        )
        self.refuse(
            rows,
            ~np.isfinite(rows.scores),
            f"needs {rows.score_key}: a finite number",
            "export the scores with the boxes; truths have none",
        )
        self.refuse(
            rows,
            np.any(high < low, axis=1),
            "has a box of negative size",
            "order the corners, or remove it",
        )
        self.refuse(
            rows,
            (rows.scores < 0) | (rows.scores > 1),
            "has a score outside 0 to 1",
            "map them to 0..1: any rising function, such as a sigmoid, keeps their order",
        )

    def check_names(self, rows: Rows) -> None:
        """Refuse images and classes that are not in the data set."""
        what, source = self.dataset.description, rows.source
        known = f"it has {some_of(self.dataset.class_names)}"
        self.refuse(
            rows,
            rows.images == UNKNOWN,
            f"is about an image not in {what}",
            "take the split they were made on, or remove them",
            source.image,
        )
        self.refuse(
            rows,
            rows.images == AMBIGUOUS,
            f"has a name that several images have in {what}",
            "write the folder in front of the name",
            source.image,
        )
        self.refuse(
            rows,
            rows.labels == UNKNOWN,
            f"is of a class not in {what}",
            f"{known}; rename or remove the others",
            source.class_name,
        )

    def refuse(
        self,
        rows: Rows,
        wrong: Bool[np.ndarray, " n"],
        problem: str,
        remedy: str,
        name: Callable[[int], str] | None = None,
    ) -> None:
        """Store the first of the wrong rows, their number and their names."""
        if not wrong.any():
            return
        where = np.flatnonzero(wrong).tolist()
        first = f"{rows.source.place(where[0])} {problem}"
        if name is not None and name(where[0]).isdecimal() and not self.dataset.has_ids:
            remedy += NO_IDS
        known = self.problems.setdefault(
            problem, _Problem(first, rows.source.text(where[0]), remedy)
        )
        known.num_rows += len(where)
        if name is not None:
            known.names.update(dict.fromkeys(map(name, where)))


def message(problem: _Problem) -> str:
    """Write one line: the place, the count, the value, the remedy."""
    more = f" (and {problem.num_rows - 1} more)" if problem.num_rows > 1 else ""
    value = some_of(problem.names) if problem.names else problem.first_text
    return f"{problem.first}{more}: {value}; {problem.remedy}"


def note_on_gaps(predictions: Predictions, dataset: DataSet) -> list[str]:
    """Note images without any detection: a share may be missing."""
    if not len(predictions):
        return ["holds no detections"]
    num_without = len(dataset) - len(np.unique(predictions.images))
    return [f"{num_without} of {len(dataset)} images have no detection"] if num_without else []


def note_on_copies(predictions: Predictions, dataset: DataSet) -> list[str]:
    """Note detections that are in the file twice."""
    copies = find_copies(predictions)
    if not len(copies):
        return []
    image = Path(dataset.paths[predictions.images[copies[0]]]).name
    return [
        f"{len(copies)} of {len(predictions)} detections are exact copies of another one (same "
        f"image, class, box and score), the first in {image}; they count, so that the copy of "
        "a true positive is a false positive"
    ]


def find_copies(predictions: Predictions) -> Int64[np.ndarray, " copies"]:
    """Find the detections that equal an earlier one in everything."""
    columns = [
        predictions.images,
        predictions.labels,
        *predictions.boxes.T,
        predictions.scores,
    ]
    digests = np.zeros(len(predictions), np.uint64)
    for column in columns:
        bits = (column + 0.0).view(np.uint64)  # with - 0.0 as 0.0
        digests = (digests ^ bits) * MIXER
        digests ^= digests >> np.uint64(29)
    # Sorting one number a detection is far faster than sorting rows; few rows then remain.
    in_order = np.sort(digests)
    repeated = in_order[1:][in_order[1:] == in_order[:-1]]
    if not len(repeated):
        return np.zeros(0, np.int64)
    suspects = np.flatnonzero(np.isin(digests, repeated))
    rows: Any = np.column_stack([column[suspects] for column in columns])
    _, first = np.unique(rows, axis=0, return_index=True)
    return np.delete(suspects, first)
