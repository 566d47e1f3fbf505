"""YOLO text: a file for each image, as Ultralytics' `save_txt save_conf` writes.

Lines `class cx cy w h score`, the class an index into the names of `classes.txt` beside the files,
else into those of the data set, the box as centre and size in fractions of the image. An image
without detections may have no file.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float64, Int64

from singleshot.data.dataset import DataSet
from singleshot.data.image_files.archives import image_exists
from singleshot.data.image_files.decoding import image_size
from singleshot.errors import DataError, some_of
from singleshot.evaluation.predictions.collector import PredictionCollector, Rows
from singleshot.evaluation.predictions.image_names import UNKNOWN, ImageNames
from singleshot.evaluation.predictions.text_lines import (
    Line,
    TextSource,
    batches_of_lines,
    lines_of,
    parse_number,
    wrong_columns,
)

__all__ = ["CLASSES", "class_order", "read"]

COLUMNS = "class cx cy w h score"
CLASSES = "classes.txt"
_ROUNDING = 0.01  # fractions; files with two decimals stick out by less


def class_order(folder: Path, dataset: DataSet) -> tuple[list[str], str]:
    """Find the names of classes 0, 1, 2 …, with a note: in another order AP would be near 0."""
    file = folder / CLASSES
    if not file.exists():
        names = list(dataset.class_names)
        origin = f"as in the data set; a {CLASSES} beside the files would change it"
    else:
        name_of = {line.number - 1: " ".join(line.cells) for line in lines_of(file)}
        names = [name_of.get(number, "") for number in range(max(name_of, default=-1) + 1)]
        origin = f"as in {file}"
    numbered = [f"{number} {name}" for number, name in enumerate(names)]
    return names, f"class numbers: {some_of(numbered)}, {origin}"


def read(
    paths: Sequence[Path],
    dataset: DataSet,
    order: Sequence[str],
    *,
    names: ImageNames,
    collector: PredictionCollector,
) -> None:
    """Add the detections of all files; `order` names the classes.

    Raises:
        DataError: lines without score, values that are no fractions, columns in another order, or
            an image of unknown size.
    """
    sizes = dataset.sizes.copy()
    known = {name: label for label, name in enumerate(dataset.class_names)}
    labels = [known.get(name, UNKNOWN) for name in order]
    outside: Line | None = None
    score_may_come_second = True
    for batch in batches_of_lines(paths):
        numbers = numbers_of(batch)
        outside_image = ~lie_inside(numbers[:, :4])
        if outside is None and outside_image.any():
            outside = batch[int(np.flatnonzero(outside_image)[0])]
        score_may_come_second = score_may_come_second and bool(lie_inside(numbers[:, 1:]).all())
        images = np.array([names[line.path.stem] for line in batch], np.int64)
        fill_sizes(sizes, images, dataset)
        collector.add(rows_of(batch, numbers, labels, images, sizes))
    if outside is not None and score_may_come_second:
        raise DataError(
            f"{outside.path}, line {outside.number}: its box reaches out of the image: "
            f"{' '.join(outside.cells)}; all would fit as `class score cx cy w h`: "
            f"order the columns as {COLUMNS}"
        )


def numbers_of(lines: list[Line]) -> Float64[np.ndarray, "n 5"]:
    """Parse centre, size and score; DataError for other columns or values beyond 0..1."""
    for line in lines:
        if len(line.cells) != 6:
            raise wrong_columns(line, remedy_for(len(line.cells)))
    numbers = np.array([[parse_number(cell) for cell in line.cells[1:]] for line in lines])
    # A negative size is another error, with its own message.
    pixels = (numbers[:, :4] > 1).any(axis=1) | (numbers[:, :2] < 0).any(axis=1)
    if pixels.any():
        line = lines[int(np.flatnonzero(pixels)[0])]
        raise DataError(
            f"{line.path}, line {line.number}: values beyond 0..1 are not YOLO's fractions of the "
            f"image: {' '.join(line.cells)[:200]}; write {COLUMNS}, with the box divided by the "
            f"image's width and height"
        )
    return numbers


def remedy_for(num_columns: int) -> str:
    """Explain the expected columns."""
    if num_columns == 5:
        return (
            f"the score is missing: export {COLUMNS}, in Ultralytics with "
            "save_txt=True save_conf=True"
        )
    return f"expected {COLUMNS}"


def lie_inside(boxes: Float64[np.ndarray, "n 4"]) -> np.ndarray:
    """Mark the boxes, as centre and size, that lie inside the image."""
    low, high = boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, :2] + boxes[:, 2:] / 2
    inside = np.logical_and(low >= -_ROUNDING, high <= 1 + _ROUNDING)
    return np.logical_and(inside[:, 0], inside[:, 1])


def rows_of(
    lines: list[Line],
    numbers: Float64[np.ndarray, "n 5"],
    labels: Sequence[int],
    images: Int64[np.ndarray, " n"],
    sizes: Int64[np.ndarray, "m 2"],
) -> Rows:
    width_and_height = sizes[images][:, ::-1] if len(sizes) else np.zeros((len(lines), 2))
    with np.errstate(over="ignore", invalid="ignore"):  # such a box is refused
        centres, halves = numbers[:, :2] * width_and_height, numbers[:, 2:4] * width_and_height / 2
        corners = np.hstack([centres - halves, centres + halves])
    classes = [line.cells[0] for line in lines]
    return Rows(
        images=images,
        labels=np.array([label_of(one, labels) for one in classes], np.int64),
        boxes=corners,
        scores=np.ascontiguousarray(numbers[:, 4]),
        source=TextSource(lines, [line.path.stem for line in lines], classes),
        box_key="cx cy w h",
        score_key="a score",
    )


def fill_sizes(
    sizes: Int64[np.ndarray, "m 2"], images: Int64[np.ndarray, " n"], dataset: DataSet
) -> None:
    """Read the sizes that are not stated from the images; DataError if they are missing."""
    for image in np.unique(images[images >= 0]).tolist():
        if not sizes[image].all():
            path = Path(dataset.paths[image])
            if not image_exists(path):
                raise DataError(
                    f"{path}: its size is needed to read YOLO's fractions, but it is not stated "
                    "and there is no such image; restore it, or state width and height"
                )
            sizes[image] = image_size(path)


def label_of(cell: str, labels: Sequence[int]) -> int:
    """Find the label of the class with this number, or UNKNOWN."""
    return labels[int(cell)] if cell.isdecimal() and int(cell) < len(labels) else UNKNOWN
