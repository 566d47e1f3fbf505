"""A data format: a folder with `boxes.csv`, whose rows are image, x1, y1, x2, y2, label."""

import csv
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

import singleshot

NAME = "boxes.csv"


def recognise(path: Path) -> bool:
    return (path / NAME).is_file()


def splits(_path: Path) -> tuple[str, ...]:
    return ()


def read(path: Path, _split: str | None) -> singleshot.DataSet:
    with (path / NAME).open(newline="") as file:
        rows = list(csv.reader(file))
    class_names = sorted({row[5] for row in rows})
    images = []
    for name in sorted({row[0] for row in rows}):
        own = [row for row in rows if row[0] == name]
        boxes = torch.tensor([[float(value) for value in row[1:5]] for row in own])
        labels = torch.tensor([class_names.index(row[5]) for row in own])
        images.append((path / name, singleshot.Truth.of(boxes, labels)))
    return singleshot.DataSet.of(class_names, images, description=f"boxes.csv of {path}")


def write(
    dataset: singleshot.DataSet,
    path: Path,
    *,
    splits: Mapping[str, Sequence[int]] | None = None,
) -> None:
    del splits
    path.mkdir(parents=True, exist_ok=True)
    with (path / NAME).open("w", newline="") as file:
        writer = csv.writer(file)
        for index, image in enumerate(map(Path, dataset.paths)):
            shutil.copy(image, path / image.name)
            truth = dataset.truth(index)
            for box, label in zip(truth.boxes.tolist(), truth.labels.tolist(), strict=True):
                writer.writerow([image.name, *box, dataset.class_names[label]])


CSV = singleshot.Format("boxes.csv", "a folder with boxes.csv", recognise, splits, read, write)
