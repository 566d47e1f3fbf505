"""Class names of foreign weights, which their files hardly ever contain."""

from pathlib import Path
from typing import NamedTuple

from singleshot.errors import ModelError

__all__ = [
    "COCO_NAMES",
    "VOC_NAMES",
    "ClassColumns",
    "class_columns",
    "class_names_for",
    "read_names",
]

VOC_NAMES = (
    *("aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *("diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa"),
    *("train", "tvmonitor"),
)

COCO_NAMES = (
    *("person", "bicycle", "car", "motorcycle", "airplane"),
    *("bus", "train", "truck", "boat", "traffic light"),
    *("fire hydrant", "stop sign", "parking meter", "bench", "bird"),
    *("cat", "dog", "horse", "sheep", "cow"),
    *("elephant", "bear", "zebra", "giraffe", "backpack"),
    *("umbrella", "handbag", "tie", "suitcase", "frisbee"),
    *("skis", "snowboard", "sports ball", "kite", "baseball bat"),
    *("baseball glove", "skateboard", "surfboard", "tennis racket", "bottle"),
    *("wine glass", "cup", "fork", "knife", "spoon"),
    *("bowl", "banana", "apple", "sandwich", "orange"),
    *("broccoli", "carrot", "hot dog", "pizza", "donut"),
    *("cake", "chair", "couch", "potted plant", "bed"),
    *("dining table", "toilet", "tv", "laptop", "mouse"),
    *("remote", "keyboard", "cell phone", "microwave", "oven"),
    *("toaster", "sink", "refrigerator", "book", "clock"),
    *("vase", "scissors", "teddy bear", "hair drier", "toothbrush"),
)

# COCO planned 91 classes and annotated 80; the ids were kept. Many detectors have a column for each
# id, 0 being the background.
NUM_COCO_IDS = 91
COCO_GAPS = (12, 26, 29, 30, 45, 66, 68, 69, 71, 83)  # ids below 91 without a class

# Written by qfgaohao's and dusty-nv's trainings beside their weights (train_ssd.py).
LABEL_FILES = ("labels.txt", "voc-model-labels.txt", "open-images-model-labels.txt")


class ClassColumns(NamedTuple):
    """The meaning of the columns of foreign class outputs; column 0 is the background."""

    names: tuple[str, ...]  # of our classes
    used: tuple[int, ...]  # the column of each of them
    unused: tuple[int, ...]  # columns without a class


def class_names_for(num_classes: int, path: Path) -> tuple[str, ...]:
    """Name the classes, without background, of the weights in this file.

    Read from a file of labels beside it if it has as many; else VOC's for 20 classes and COCO's for
    80; else numbers from 1.
    """
    for labels in (path.parent / name for name in LABEL_FILES):
        if labels.is_file() and len(names := read_names(labels)) == num_classes:
            return names
    for known in (VOC_NAMES, COCO_NAMES):
        if len(known) == num_classes:
            return known
    return tuple(f"class {number}" for number in range(1, num_classes + 1))


def class_columns(num_columns: int, path: Path) -> ClassColumns:
    """Assign classes to the class outputs in this file, the first of which is the background.

    91 columns are COCO's ids; of others every column is a class. Raises ModelError for no class.
    """
    if num_columns < 2:
        raise ModelError(f"{path}: its class outputs have no class but the background")
    gaps = COCO_GAPS if num_columns == NUM_COCO_IDS else ()
    used = tuple(column for column in range(1, num_columns) if column not in gaps)
    names = COCO_NAMES if gaps else class_names_for(len(used), path)
    return ClassColumns(names, used, gaps)


def read_names(labels: Path) -> tuple[str, ...]:
    """Read a name from each line, except the background's."""
    lines = labels.read_text(encoding="utf-8", errors="replace").splitlines()
    names = [line.strip() for line in lines]
    return tuple(name for name in names if name and name.upper() != "BACKGROUND")
