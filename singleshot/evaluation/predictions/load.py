"""Predictions as a COCO results file, which every evaluator reads.

`[{"image_id": 7, "category_id": 1, "bbox": [x, y, width, height], "score": 0.9}, …]` with the ids
of the data set; numbers are written in full, so that what was saved is judged exactly as before.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from singleshot.data.dataset import DataSet
from singleshot.errors import DataError
from singleshot.evaluation.predictions.gather import ReadPredictions
from singleshot.metrics import Predictions

__all__ = ["load_predictions"]

ENTRY_WIDTHS = {"image_id": 1, "category_id": 1, "bbox": 4, "score": 1}


def load_predictions(path: Path, dataset: DataSet) -> ReadPredictions:
    """Read a COCO results file about the pictures and classes of a data set.

    Raises:
        DataError: no such file, no such list, or an entry that cannot be meant: an unknown picture
            or class, a number that is not finite, a negative size, a score outside 0 to 1.
    """
    entries = read_entries(path)
    image_ids, category_ids, sizes, scores = [
        column(path, entries, key, width) for key, width in ENTRY_WIDTHS.items()
    ]
    refuse(path, entries, np.any(sizes[:, 2:] < 0, axis=1), "has a box of negative size")
    refuse(path, entries, np.any(scores != scores.clip(0, 1), axis=1), "has a score outside 0 to 1")
    images = positions(image_ids[:, 0], dataset.image_ids.tolist())
    labels = positions(category_ids[:, 0], dataset.category_ids)
    refuse(path, entries, images < 0, f"is about a picture not in {dataset.description}")
    refuse(path, entries, labels < 0, f"is of a class not in {dataset.description}")
    boxes = np.hstack([sizes[:, :2], sizes[:, :2] + sizes[:, 2:]])
    return ReadPredictions(Predictions(images, boxes, scores[:, 0], labels), (), "COCO results")


def read_entries(path: Path) -> list[dict[str, Any]]:
    """The list in the file."""
    try:
        entries = json.loads(path.read_text(encoding="utf-8"), parse_int=float)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise DataError(f"{path}: is no JSON, or only a part of it: {error}") from error
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise DataError(
            f"{path}: expected COCO results, a list of detections such as "
            '[{"image_id": 7, "category_id": 1, "bbox": [x, y, width, height], "score": 0.9}]'
        )
    return entries


def column(path: Path, entries: list[dict[str, Any]], key: str, width: int) -> np.ndarray:
    """One key of all entries, (entries, width)."""
    rows = [numbers(entry.get(key), width) for entry in entries]
    table = np.array(rows, np.float64).reshape(-1, width)
    expected = "a finite number" if width == 1 else f"{width} finite numbers"
    refuse(path, entries, np.any(~np.isfinite(table), axis=1), f"needs {key!r}: {expected}")
    return table


def numbers(value: Any, width: int) -> list[float]:
    """A number, or a list of as many as there should be; NaN for anything else."""
    values = value if isinstance(value, list) else [value]
    right = len(values) == width and all(isinstance(one, float) for one in values)
    return values if right else [math.nan] * width


def positions(ids: np.ndarray, known: Sequence[int]) -> np.ndarray:
    """Where each id stands among the known ones; -1 for unknown ones."""
    index_of = {one: index for index, one in enumerate(known)}
    return np.array([index_of.get(one, -1) for one in ids.tolist()], np.int64)


def refuse(path: Path, entries: list[dict[str, Any]], wrong: np.ndarray, problem: str) -> None:
    """Name the first of the wrong entries and say how many there are."""
    where = np.flatnonzero(wrong)
    if len(where):
        more = f" (and {len(where) - 1} more)" if len(where) > 1 else ""
        entry = json.dumps(entries[where[0]])[:200]
        raise DataError(f"{path}: entry {where[0]} {problem}{more}: {entry}")
