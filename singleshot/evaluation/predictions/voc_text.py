"""VOC text: a file `comp4_det_test_CLASS.txt` for each class.

Lines `image_id score x1 y1 x2 y2`, best first or in any order: equal scores rank as in the file.
Pixels count from 1 and both ends are inside (VOCdevkit, `VOCevaldet.m`), so that 1 is taken from x1
and y1. "comp3" is the same for detectors trained on VOC's images alone; "test" may be any name.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from singleshot.data.dataset import DataSet
from singleshot.errors import DataError, some_of
from singleshot.evaluation.predictions.collector import PredictionCollector, Rows
from singleshot.evaluation.predictions.image_names import ImageNames
from singleshot.evaluation.predictions.text_lines import (
    Line,
    TextSource,
    batches_of_lines,
    parse_number,
    wrong_columns,
)

__all__ = ["has_voc_name", "read"]

FILE_NAME = re.compile(r"comp[34]_det_(.+)\.txt")
NUM_NUMBERS = 5  # after the image's name


def has_voc_name(path: Path) -> bool:
    """Detect a file name such as comp4_det_test_CLASS.txt."""
    return FILE_NAME.fullmatch(path.name) is not None


def read(
    paths: Sequence[Path], dataset: DataSet, *, names: ImageNames, collector: PredictionCollector
) -> None:
    """Add the detections of all files; DataError for a file of an unknown class."""
    labels = _labels_of_files(paths, dataset)
    for batch in batches_of_lines(paths):
        collector.add(rows_of(batch, labels, dataset, names))


def _labels_of_files(paths: Sequence[Path], dataset: DataSet) -> dict[Path, int]:
    """Find the class of each file; the names of sets and of classes may hold "_" themselves."""
    found = {path: class_and_set(path, dataset.class_names) for path in paths}
    unknown = [path.name for path, pair in found.items() if pair is None]
    if unknown:
        raise DataError(
            f"{paths[0].parent}: {len(unknown)} of {len(paths)} files are of a class not in "
            f"{dataset.description}: {some_of(unknown)}; it has {some_of(dataset.class_names)}; "
            "rename or remove the others"
        )
    pairs = {path: pair for path, pair in found.items() if pair is not None}
    sets = sorted({of_set for _, of_set in pairs.values()})
    if len(sets) > 1:
        raise DataError(
            f"{paths[0].parent}: has files of {len(sets)} sets of images: {some_of(sets)}; "
            "give each its own folder"
        )
    return {path: label for path, (label, _) in pairs.items()}


def class_and_set(path: Path, class_names: Sequence[str]) -> tuple[int, str] | None:
    """Parse label and image set from a file name; the longest class name that fits."""
    named = FILE_NAME.fullmatch(path.name)
    assert named is not None, path
    fitting = [name for name in class_names if named[1].endswith(f"_{name}")]
    if not fitting:
        return None
    longest = max(fitting, key=len)
    return class_names.index(longest), named[1].removesuffix(f"_{longest}")


def rows_of(
    lines: list[Line], labels: dict[Path, int], dataset: DataSet, names: ImageNames
) -> Rows:
    for line in lines:
        if len(line.cells) <= NUM_NUMBERS:
            raise wrong_columns(line, "expected image_id score x1 y1 x2 y2")
    # The name of an image may hold blanks.
    images = [" ".join(line.cells[:-NUM_NUMBERS]) for line in lines]
    numbers = np.array(
        [[parse_number(cell) for cell in line.cells[-NUM_NUMBERS:]] for line in lines]
    )
    of_files = [labels[line.path] for line in lines]
    return Rows(
        images=np.array([names[image] for image in images], np.int64),
        labels=np.array(of_files, np.int64),
        boxes=numbers[:, 1:] - (1, 1, 0, 0),
        scores=np.ascontiguousarray(numbers[:, 0]),
        source=TextSource(lines, images, [dataset.class_names[label] for label in of_files]),
        box_key="x1 y1 x2 y2",
        score_key="a score",
    )
