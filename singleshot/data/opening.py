"""Opening a data set, and choosing its images when nobody says which."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np

from singleshot.data.dataset import DataSet, join
from singleshot.data.formats import coco, imglab, voc
from singleshot.data.formats.splits import alike
from singleshot.data.split import stratified_split
from singleshot.errors import DataError

__all__ = [
    "EvaluationData",
    "TrainingData",
    "evaluation_split",
    "open_dataset",
    "splits_of",
    "training_split",
]

SET_ASIDE = 0.1  # of the training images, when there is no validation split
LISTED = 8  # entries of a folder that an error names


@runtime_checkable
class Format(Protocol):
    """What each module in `formats` offers."""

    LAYOUT: str  # what it looks for, in a sentence

    def recognises(self, path: Path, /) -> bool:
        """Whether the folder or file has this format."""

    def splits(self, path: Path, /) -> tuple[str, ...]:
        """Names of the splits it defines."""

    def read(self, path: Path, split: str | None, /) -> DataSet:
        """The images of a split, or of everything."""


FORMATS: tuple[Format, ...] = (voc, coco, imglab)


class TrainingData(NamedTuple):
    """What a training learns from and what it is measured on meanwhile."""

    train: DataSet
    validation: DataSet | None
    said: tuple[str, ...]  # what was chosen, for a person to read


class EvaluationData(NamedTuple):
    """What a model is measured on."""

    dataset: DataSet
    said: tuple[str, ...]  # what was chosen, for a person to read


def open_dataset(path: Path, split: str | None = None) -> DataSet:
    """The images of a split (`a+b` joins two), or all of them, whatever the format.

    Raises:
        DataError: the path does not exist or has an unknown layout, the split is unknown or empty,
            or an annotation cannot be used.
    """
    dataset_format = format_of(path)
    names = [None] if split is None else split.split("+")
    dataset = once_each(join([dataset_format.read(path, name) for name in names]))
    if not len(dataset):
        raise DataError(f"{dataset.description}: has no images; choose another split")
    return dataset


def splits_of(path: Path) -> tuple[str, ...]:
    """Names of the splits that the data set defines; DataError as in `open_dataset`."""
    return format_of(path).splits(path)


def format_of(path: Path) -> Format:
    """The first format that recognises the path."""
    if not path.exists():
        raise DataError(f"{path}: there is no such folder or file")
    for candidate in FORMATS:
        if candidate.recognises(path):
            return candidate
    layouts = "; ".join(candidate.LAYOUT for candidate in FORMATS)
    raise DataError(f"{path}: unknown layout; looked for {layouts}; found {contents(path)}")


def contents(path: Path) -> str:
    """What a person would see there at a glance."""
    if path.is_file():
        return "a file that is neither JSON nor such XML"
    names = sorted(entry.name + "/" * entry.is_dir() for entry in path.iterdir())
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(names[:LISTED]) + more if names else "an empty folder"


def once_each(dataset: DataSet) -> DataSet:
    """An image that two joined splits share is taken once."""
    _, first = np.unique(dataset.paths, return_index=True)
    if len(first) == len(dataset):
        return dataset
    return dataset.subset(sorted(first.tolist()), description=dataset.description)


def training_split(
    paths: Sequence[Path], split: str | None, val_split: str | None, seed: int
) -> TrainingData:
    """What to train on and what to validate on, of each data set, joined by class name.

    Without `split`: `train` if there is one, else `trainval`, else everything. Without `val_split`:
    `val` or `valid` if it lies outside the training split, else a stratified tenth of the training
    images is set aside. `val_split="none"`: no validation.
    """
    parts = [train_and_validation(path, split, val_split, seed) for path in paths]
    train = join([part.train for part in parts])
    validations = [part.validation for part in parts if part.validation is not None]
    validation = join(validations).with_classes(train.class_names) if validations else None
    return TrainingData(train, validation, tuple(line for part in parts for line in part.said))


def evaluation_split(paths: Sequence[Path], split: str | None) -> EvaluationData:
    """What to measure on: `test` if there is one, else `val`, else everything; joined as above."""
    datasets = [
        open_dataset(path, split or first_of(("test", "val", "valid"), path)) for path in paths
    ]
    said = tuple(f"measuring on {counted(dataset)}" for dataset in datasets)
    return EvaluationData(join(datasets), said)


def train_and_validation(
    path: Path, split: str | None, val_split: str | None, seed: int
) -> TrainingData:
    """`training_split` of one data set."""
    train = open_dataset(path, split or first_of(("train", "trainval"), path))
    if val_split == "none":
        return TrainingData(train, None, (f"training on {counted(train)}, without validation",))
    if val_split is None:
        validation = validation_outside(path, train)
        if validation is None:
            return tenth_aside(train, seed)
    else:
        validation = open_dataset(path, val_split)
    said = [f"training on {counted(train)}", f"validating on {counted(validation)}"]
    shared = int(np.isin(validation.paths, train.paths).sum())
    if shared:
        said.append(f"{shared} of the validation images are trained on as well: expect flattery")
    return TrainingData(train, validation, tuple(said))


def validation_outside(path: Path, train: DataSet) -> DataSet | None:
    """The validation split of which no image is trained on; VOC's `val` is inside `trainval`."""
    splits = splits_of(path)
    for name in (*alike("val", splits), *alike("valid", splits)):
        validation = open_dataset(path, name)
        if not np.isin(validation.paths, train.paths).any():
            return validation
    return None


def tenth_aside(dataset: DataSet, seed: int) -> TrainingData:
    """Train on nine tenths of the images, validate on the rest."""
    kept, aside = stratified_split(dataset, SET_ASIDE, seed=seed)
    if not aside:
        said = f"training on {counted(dataset)}: too few to set one aside for validation"
        return TrainingData(dataset, None, (said,))
    what = dataset.description
    train = dataset.subset(kept, description=f"{what}, but for the images set aside")
    validation = dataset.subset(aside, description=f"{what}, the images set aside")
    said = (
        f"training on {len(kept)} of {counted(dataset)}: there is no validation split outside it, "
        f"so a stratified tenth, {len(aside)}, is set aside for validation (seed {seed})"
    )
    # What was dropped while reading is told once, by the training images.
    return TrainingData(train, replace(validation, notes=()), (said,))


def first_of(names: Sequence[str], path: Path) -> str | None:
    """The first name that the data set has a split for, perhaps with a year."""
    splits = splits_of(path)
    return next((name for name in names if alike(name, splits)), None)


def counted(dataset: DataSet) -> str:
    return f"{len(dataset)} images ({dataset.description})"
