"""Predictions as a COCO results file, which every evaluator reads.

`[{"image_id": 7, "file_name": "a", "category_id": 1, "category_name": "cat", "bbox": [x, y, width,
height], "score": 0.9}, …]` with the ids of the data set, and the name of the image, or as much of
its path as tells it from the others; where the data set has no ids of its own, `image_id` is that
name, too. Numbers are written in full, so that what was saved is evaluated exactly as before.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from singleshot.data.dataset import DataSet
from singleshot.evaluation.predictions.names import ImageNames
from singleshot.files import write_atomically
from singleshot.metrics import Predictions
from singleshot.metrics.coco import to_xywh

__all__ = ["save_predictions"]


def save_predictions(predictions: Predictions, dataset: DataSet, path: Path) -> None:
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
