"""What the classes of a weight file are called, which such files hardly ever say."""

from pathlib import Path

__all__ = ["COCO_NAMES", "VOC_NAMES", "class_names_for", "names_in"]

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

# What qfgaohao's and dusty-nv's trainings write beside their weights (train_ssd.py).
LABEL_FILES = ("labels.txt", "voc-model-labels.txt", "open-images-model-labels.txt")


def class_names_for(num_classes: int, path: Path) -> tuple[str, ...]:
    """Names of the classes, without the background, of the weights in this file.

    A file of labels beside it if it has as many; else VOC's for 20 classes and COCO's for 80; else
    numbers from 1.
    """
    for labels in (path.parent / name for name in LABEL_FILES):
        if labels.is_file() and len(names := names_in(labels)) == num_classes:
            return names
    for known in (VOC_NAMES, COCO_NAMES):
        if len(known) == num_classes:
            return known
    return tuple(f"class {number}" for number in range(1, num_classes + 1))


def names_in(labels: Path) -> tuple[str, ...]:
    """A name on each line; the background's is left out."""
    lines = labels.read_text(encoding="utf-8", errors="replace").splitlines()
    names = [line.strip() for line in lines]
    return tuple(name for name in names if name and name.upper() != "BACKGROUND")
