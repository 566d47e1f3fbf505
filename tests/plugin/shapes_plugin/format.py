"""A data format: a folder with `boxes.shapes`, whose rows are image, x1, y1, x2, y2, label."""

import csv
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import singleshot

NAME = "boxes.shapes"


def recognise(path: Path) -> bool:
    return (path / NAME).is_file()


def splits(_path: Path) -> tuple[str, ...]:
    return ()


def read(path: Path, _split: str | None = None) -> list[singleshot.Annotations]:
    objects: dict[str, list[singleshot.AnnotatedObject]] = {}
    with (path / NAME).open(newline="") as file:
        for number, (name, x1, y1, x2, y2, label) in enumerate(csv.reader(file), start=1):
            box = float(x1), float(y1), float(x2), float(y2)
            objects.setdefault(name, []).append(singleshot.AnnotatedObject(label, box, number))
    images = [
        singleshot.AnnotatedImage(name, (0, 0), of_image, f"{path / NAME}: {name}")
        for name, of_image in objects.items()
    ]
    return [singleshot.Annotations(path, images, [path], path / NAME, entry="line")]


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


SHAPES = singleshot.Format("shapes", "a folder with boxes.shapes", recognise, splits, read, write)
