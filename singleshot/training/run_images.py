"""Images of a run: the first augmented batch with its objects, and detections of a validation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image, ImageOps

from singleshot.data.dataset import DataSet
from singleshot.drawing import draw_boxes, save_image
from singleshot.metrics import DEFAULT_SCORE_THRESHOLD, Predictions
from singleshot.structures import Batch, Detections

__all__ = ["save_batch", "save_detections"]

NUM_IMAGES = 8
COLUMNS = 4
SIDE = 320  # pixels of each


def save_batch(batch: Batch, class_names: Sequence[str], path: Path) -> None:
    """Save the first images of a batch, as the network is given them, with their objects."""
    pairs = zip(batch.images[:NUM_IMAGES], batch.truths, strict=False)
    save_image(_tiled([draw_boxes(image, truth, class_names) for image, truth in pairs]), path)


def save_detections(predictions: Predictions, dataset: DataSet, path: Path) -> None:
    """Save images from all over a data set with the detections of score 0.3 or more."""
    number = min(NUM_IMAGES, len(dataset))
    drawings = []
    for index in (place * len(dataset) // number for place in range(number)):
        here = (predictions.images == index) & (predictions.scores >= DEFAULT_SCORE_THRESHOLD)
        found = Detections(
            boxes=torch.from_numpy(predictions.boxes[here]).float(),
            scores=torch.from_numpy(predictions.scores[here]).float(),
            labels=torch.from_numpy(predictions.labels[here]).long(),
        )
        drawings.append(draw_boxes(dataset[index].image, found, dataset.class_names))
    save_image(_tiled(drawings), path)


def _tiled(images: Sequence[Image.Image]) -> Image.Image:
    """Arrange images in rows, each shrunk or enlarged to a square."""
    columns = min(COLUMNS, len(images))
    tiled = Image.new("RGB", (columns * SIDE, math.ceil(len(images) / columns) * SIDE), "white")
    for place, image in enumerate(images):
        row, column = divmod(place, columns)
        tiled.paste(ImageOps.pad(image, (SIDE, SIDE), color="white"), (column * SIDE, row * SIDE))
    return tiled
