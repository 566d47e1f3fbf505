import numpy as np
import pytest
from cells import make_cells

import singleshot
from singleshot.comparison.compare import (
    ComparedModel,
    name_models,
    relabel,
    training_notes,
)
from singleshot.data.opening import open_dataset
from singleshot.data.splits import TrainingData
from singleshot.errors import SingleshotError
from singleshot.metrics import Predictions
from singleshot.runs.folder import RunFolder
from singleshot.runs.splits import RunSplits


def test_labels_are_replaced_by_name_and_other_classes_are_dropped():
    predictions = Predictions(
        np.array([0, 0, 1]), np.zeros((3, 4)), np.array([0.9, 0.8, 0.7]), np.array([0, 1, 2])
    )
    relabelled = relabel(predictions, ("dog", "bird", "cat"), ("cat", "dog"))
    assert relabelled.labels.tolist() == [1, 0]
    assert relabelled.scores.tolist() == [0.9, 0.7]


def test_one_model_is_no_comparison():
    with pytest.raises(SingleshotError, match=r"two models at least.*singleshot evaluate"):
        name_models(["runs/a"])


def test_one_model_by_two_names_is_refused(tmp_path):
    best = tmp_path / "a" / "checkpoints" / "best.safetensors"
    best.parent.mkdir(parents=True)
    best.touch()
    for again in (tmp_path / "a" / ".." / "a", best):
        with pytest.raises(SingleshotError, match="given twice"):
            name_models([tmp_path / "a", again])


def test_images_to_compare_on_are_needed():
    with pytest.raises(SingleshotError, match="--data DATA"):
        singleshot.compare(["runs/a", "runs/b"])


def test_a_model_that_was_trained_on_the_images_is_noted(tmp_path):
    cells = make_cells(tmp_path / "cells")
    models = []
    for name, split in (("seen", "train"), ("unseen", "val")):
        run = RunFolder(tmp_path / name)
        run.best.parent.mkdir(parents=True)
        run.best.touch()
        run.recipe.touch()
        RunSplits.of(TrainingData(open_dataset(cells, split), None, ())).save(run.splits)
        models.append(ComparedModel(name, run.path, (run.best,)))
    (note,) = training_notes(models, open_dataset(cells, "train+test"))
    assert note.startswith("seen: was trained on 6 of the 8 images")
