"""Splits: which images to train on, to validate on and to evaluate on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from singleshot.data.assembly import ImageUse
from singleshot.data.dataset import DataSet, join_datasets
from singleshot.data.findings import count_of
from singleshot.data.formats.split_names import join_years, matching_splits
from singleshot.data.opening import read_dataset, splits_of
from singleshot.data.reading import AS_IT_IS, ReadingOptions
from singleshot.data.stratification import classes_of_images, stratified_split

__all__ = [
    "EvaluationData",
    "TrainingData",
    "evaluation_split",
    "training_split",
]

TRAINING_SPLITS = ("train", "training", "trainval")
VALIDATION_SPLITS = ("val", "valid", "validation")
EVALUATION_SPLITS = ("test", "testing", *VALIDATION_SPLITS)
SET_ASIDE = 0.1  # of the training images, when there is no validation split


class TrainingData(NamedTuple):
    """The data sets of a training."""

    train: DataSet
    validation: DataSet | None
    messages: tuple[str, ...]  # which splits were chosen, one line each
    set_aside: bool = False  # whether validation images were chosen among those to train on

    def with_validation_images(self, number: int) -> TrainingData:
        """Keep so many images to validate on, drawn evenly; 0: all."""
        whole = self.validation
        if whole is None or not 0 < number < len(whole):
            return self
        places = np.linspace(0, len(whole) - 1, number).round().astype(int)
        description = f"{number:,} of {len(whole):,} images, drawn evenly: {whole.description}"
        return self._replace(validation=whole.subset(places.tolist(), description=description))


class EvaluationData(NamedTuple):
    """The data set of an evaluation."""

    dataset: DataSet
    messages: tuple[str, ...]  # which splits were chosen, one line each


def training_split(
    paths: Sequence[Path],
    split: str | None,
    val_split: str | None,
    seed: int,
    reading: ReadingOptions = AS_IT_IS,
) -> TrainingData:
    """Open the data sets to train and to validate on, joined by class name.

    Without `split`: `train` if there is one, else `trainval`, else everything. Without `val_split`:
    `val` or `valid` if it lies outside the training split, else a stratified tenth of the training
    images is set aside. `val_split="none"`: no validation.
    """
    parts = [_training_split_of_one(path, split, val_split, seed, reading) for path in paths]
    train = join_datasets([part.train for part in parts])
    validations = [part.validation for part in parts if part.validation is not None]
    validation = join_datasets(validations).with_classes(train.class_names) if validations else None
    messages = tuple(line for part in parts for line in part.messages)
    return TrainingData(train, validation, messages, any(part.set_aside for part in parts))


def evaluation_split(
    paths: Sequence[Path],
    split: str | None,
    reading: ReadingOptions = AS_IT_IS,
    *,
    images: ImageUse = "required",
) -> EvaluationData:
    """Open the data sets to evaluate on, joined by class name.

    Without `split`: `test` if there is one, else `val`, else everything.
    """
    datasets = [
        read_dataset(
            path,
            split or _first_split(EVALUATION_SPLITS, path, reading),
            reading,
            images=images,
        )
        for path in paths
    ]
    messages = tuple(f"evaluating on {_describe(dataset)}" for dataset in datasets)
    return EvaluationData(join_datasets(datasets), messages)


def _training_split_of_one(
    path: Path, split: str | None, val_split: str | None, seed: int, reading: ReadingOptions
) -> TrainingData:
    """Apply `training_split` to one data set."""
    train = _read(path, split or _first_split(TRAINING_SPLITS, path, reading), reading)
    if val_split == "none":
        return TrainingData(train, None, (f"training on {_describe(train)}, without validation",))
    if val_split is None:
        validation = _validation_outside(path, train, reading)
        if validation is None:
            return _set_aside(train, seed)
    else:
        validation = _read(path, val_split, reading)
    messages = [f"training on {_describe(train)}", f"validating on {_describe(validation)}"]
    if num_shared := int(validation.paths.isin(train.paths).sum()):
        messages.append(
            f"{num_shared} of the validation images are also in the training split: validation "
            f"scores will be optimistic"
        )
    return TrainingData(train, validation, tuple(messages))


def _validation_outside(path: Path, train: DataSet, reading: ReadingOptions) -> DataSet | None:
    """Open a validation split that shares no image with training; VOC's `val` is in `trainval`."""
    splits = splits_of(path, reading)
    joined = [joint for one in VALIDATION_SPLITS if "+" in (joint := join_years(one, splits) or "")]
    single = [found for one in VALIDATION_SPLITS for found in matching_splits(one, splits)]
    for name in (*joined, *single):
        validation = _read(path, name, reading)
        if not validation.paths.isin(train.paths).any():
            return validation
    return None


def _set_aside(dataset: DataSet, seed: int) -> TrainingData:
    """Train on nine tenths of the images, validate on the rest."""
    kept, aside = stratified_split(dataset, SET_ASIDE, seed=seed)
    if not aside:
        message = f"training on {_describe(dataset)}: too few to set one aside for validation"
        return TrainingData(dataset, None, (message,))
    what = dataset.description
    train = dataset.subset(kept, description=f"{what}, but for the images set aside")
    validation = dataset.subset(aside, description=f"{what}, the images set aside")
    message = (
        f"training on {len(kept)} of {_describe(dataset)}: there is no validation split outside "
        f"it, so {_describe_aside(dataset, aside)} for validation "
        f"(seed {seed}; evaluate RUN DATA --split set-aside takes them)"
    )
    # The notes of the reader are printed once, with the training images.
    return TrainingData(train, replace(validation, notes=()), (message,), set_aside=True)


def _describe_aside(dataset: DataSet, aside: Sequence[int]) -> str:
    """Describe how many images are set aside, if it is more than a tenth why, and what it lacks."""
    holds = classes_of_images(dataset)[:, :-1]
    present, covered = holds.any(axis=0).sum(), holds[aside].any(axis=0).sum()
    classes = f"{covered} of {present} classes"
    if len(aside) > max(round(SET_ASIDE * len(dataset)), 1):
        share = len(aside) / len(dataset)
        return f"{len(aside)}, {share:.0%} to include {classes}, are set aside, stratified,"
    lacking = f" (with {classes})" if covered < present else ""
    return f"a stratified tenth, {len(aside)}{lacking}, is set aside"


def _read(path: Path, split: str | None, reading: ReadingOptions) -> DataSet:
    return read_dataset(path, split, reading, images="required")


def _first_split(names: Sequence[str], path: Path, reading: ReadingOptions) -> str | None:
    """Choose the first name that the data set has a split for, perhaps with a year."""
    splits = splits_of(path, reading)
    found = (join_years(name, splits) for name in names)
    return next((name for name in found if name is not None), None)


def _describe(dataset: DataSet) -> str:
    return f"{count_of(len(dataset), 'images')} ({dataset.description})"
