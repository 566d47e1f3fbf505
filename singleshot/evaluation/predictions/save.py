"""Predictions as a COCO results file, which every evaluator reads.

`[{"image_id": 7, "category_id": 1, "category_name": "cat", "bbox": [x, y, width, height],
"score": 0.9}, …]` with the ids of the data set; where it has none of its own, `image_id` is the
picture's name, or as much of its path as tells it from the others. Numbers are written in full, so
that what was saved is judged exactly as before.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from singleshot.data.dataset import DataSet
from singleshot.evaluation.predictions.names import PictureNames
from singleshot.files import appears_whole
from singleshot.metrics import Predictions
from singleshot.metrics.coco import corner_and_size

__all__ = ["save_predictions"]


def save_predictions(predictions: Predictions, dataset: DataSet, path: Path) -> None:
    """Write a COCO results file, one detection a line."""
    image_ids = dataset.image_ids
    if not dataset.has_ids:
        names = PictureNames(dataset)
        image_ids = np.array([names.shortest(index) for index in range(len(dataset))], np.str_)
    columns = (
        image_ids[predictions.images].tolist(),
        np.array(dataset.category_ids, np.int64)[predictions.labels].tolist(),
        np.array(dataset.class_names, np.str_)[predictions.labels].tolist(),
        corner_and_size(predictions.boxes).tolist(),
        predictions.scores.tolist(),
    )
    keys = ("image_id", "category_id", "category_name", "bbox", "score")
    lines = (json.dumps(dict(zip(keys, row, strict=True))) for row in zip(*columns, strict=True))
    with appears_whole(path) as beside:
        beside.write_text("[" + ",\n".join(lines) + "]\n", encoding="utf-8")
