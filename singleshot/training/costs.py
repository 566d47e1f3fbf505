"""Measuring what a training takes besides its steps."""

from __future__ import annotations

import time
from pathlib import Path
from tempfile import TemporaryDirectory

from singleshot.data.dataset import DataSet
from singleshot.runs.folder import RunFolder
from singleshot.training.budget import Costs
from singleshot.training.loop import Training
from singleshot.training.processes import ALONE
from singleshot.training.validation import BATCH_SIZE, Judge

__all__ = ["costs_of", "decode_seconds"]

TRIED = BATCH_SIZE  # images
PAGE = 2.0  # seconds: what drawing the report takes at least
PAGE_IMAGE = 0.02  # seconds of it for each image


def decode_seconds(dataset: DataSet) -> float:
    """What reading an image takes one thread, on average over some from all over the data set."""
    chosen = range(0, len(dataset), max(len(dataset) // TRIED, 1))
    start = time.monotonic()
    for index in chosen:
        dataset[index]
    return (time.monotonic() - start) / len(chosen)


def costs_of(
    training: Training,
    validation: DataSet | None,
    judge: Judge,
    *,
    begin: float,
    step: float,
) -> Costs:
    """What a validation, saving and the report take, from one batch of the validation images."""
    saving = seconds_to_save(training)
    if validation is None:
        return Costs(step, validation=0.0, begin=begin, finish=saving)
    few = validation.subset(range(min(TRIED, len(validation))), description="")
    judged = judge(few, ALONE)
    judged(training.average.model, lambda: None)  # warms up
    start = time.monotonic()
    judged(training.average.model, lambda: None)
    detecting = (time.monotonic() - start) * len(validation) / len(few)
    # The weights are saved before and after a validation, and once more as the best.
    return Costs(
        step,
        validation=detecting + 3 * saving,
        begin=begin,
        finish=detecting + PAGE + PAGE_IMAGE * len(validation),
    )


def seconds_to_save(training: Training) -> float:
    """What writing all that is kept takes, on the disk of temporary files."""
    with TemporaryDirectory() as nowhere:
        training.folder = RunFolder(Path(nowhere))
        start = time.monotonic()
        training.save()
        return time.monotonic() - start
