"""Images of a run: found again in copies, counted in an evaluation, selected as a split."""

# Tests singleshot/data/image_files/content_hash.py

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from cells import make_cells

from singleshot.data.dataset import DataSet
from singleshot.data.opening import open_dataset
from singleshot.data.splits import TrainingData, training_split
from singleshot.errors import DataError, ModelError
from singleshot.runs.folder import RunFolder
from singleshot.runs.splits import RunSplits, hash_image, splits_of_model
from singleshot.structures import Truth


@pytest.fixture
def cells(tmp_path):
    return make_cells(tmp_path / "cells")


@pytest.fixture
def aside(cells) -> tuple[TrainingData, RunSplits]:
    """Train on the ten images, of which one or two are set aside."""
    data = training_split([cells], "train+val+test", None, 0)
    return data, RunSplits.of(data)


def stems(dataset: DataSet) -> set[str]:
    return {Path(path).stem for path in dataset.paths}


def test_copies_and_renamed_images_are_counted(cells, aside, tmp_path):
    data, splits = aside
    copies = tmp_path / "copies"
    copies.mkdir()
    no_truth = Truth.of(torch.zeros(0, 4), torch.zeros(0).long())
    paths = [*data.train.paths[:3], *data.validation.paths]
    pairs = [
        (Path(shutil.copy(path, copies / f"{number}.jpg")), no_truth)
        for number, path in enumerate(paths)
    ]
    assert splits.count_trained(DataSet.of(["a"], pairs, description="copies")) == 3
    assert splits.count_trained(open_dataset(cells)) == len(data.train)
    assert splits.count_trained(data.validation) == 0


def test_the_images_set_aside_are_a_split(cells, aside, tmp_path):
    data, splits = aside
    splits.save(tmp_path / "splits.json")
    loaded = RunSplits.load(tmp_path / "splits.json")
    assert loaded == splits
    found, messages = loaded.choose_set_aside([cells])
    assert stems(found) == stems(data.validation)
    number = len(found)
    assert messages == (f"evaluating on {number} of {number} images set aside by the training",)


def test_of_two_images_with_the_same_content_the_one_trained_on_is_not_chosen(cells, aside):
    data, splits = aside
    held = Path(data.validation.paths[0])
    copy = Path(data.train.paths[0])
    shutil.copy(held, copy)
    content = hash_image(copy)
    trained = splits.train.model_copy(
        update={"images": ((copy.name, content), *splits.train.images[1:])}
    )
    both = splits.model_copy(update={"train": trained})
    assert stems(both.choose_set_aside([cells]).dataset) == stems(data.validation)


def test_a_run_that_set_nothing_aside_has_no_such_split(cells):
    with_val = RunSplits.of(training_split([cells], None, None, 0))
    with pytest.raises(DataError, match=r"set no images aside \(validation: VOC layout, split val"):
        with_val.choose_set_aside([cells])
    without = RunSplits.of(training_split([cells], None, "none", 0))
    with pytest.raises(DataError, match=r"\(validation: none\); name a split"):
        without.choose_set_aside([cells])


def test_other_images_have_no_such_split(aside, tmp_path):
    other = make_cells(tmp_path / "other")
    for path in (other / "JPEGImages").iterdir():
        path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(DataError, match=r"has none of the . images that the training set aside"):
        aside[1].choose_set_aside([other])


def test_images_of_the_run_that_it_started_from_count(cells, aside):
    data, splits = aside
    later = RunSplits.of(training_split([cells], "test", "none", 0), start=splits)
    assert later.count_trained(data.train) == len(data.train)


@pytest.mark.parametrize(("suffix", "differs"), [(".jpg", False), (".bmp", True)])
def test_compressed_files_are_hashed_by_their_ends_and_others_whole(tmp_path, suffix, differs):
    content = bytearray(20_000)
    first = tmp_path / f"first{suffix}"
    first.write_bytes(content)
    content[10_000] = 1
    second = tmp_path / f"second{suffix}"
    second.write_bytes(content)
    assert (hash_image(first) != hash_image(second)) is differs
    content[-1] = 1
    second.write_bytes(content)
    assert hash_image(first) != hash_image(second)


def test_a_missing_image_is_named(tmp_path):
    with pytest.raises(DataError, match=r"gone.jpg: not readable: .*; restore the image"):
        hash_image(tmp_path / "gone.jpg")


def test_a_checkpoint_belongs_to_its_run(aside, tmp_path):
    run = RunFolder(tmp_path / "run")
    run.best.parent.mkdir(parents=True)
    run.recipe.touch()
    run.best.touch()
    assert splits_of_model(run.path) is None  # of an earlier version
    aside[1].save(run.splits)
    assert splits_of_model(run.path) == splits_of_model(run.best) == aside[1]
    elsewhere = Path(shutil.copy(run.best, tmp_path / "best.safetensors"))
    assert splits_of_model(elsewhere) is None


def test_a_damaged_file_is_named(tmp_path):
    path = tmp_path / "splits.json"
    path.write_text(json.dumps({"train": []}))
    with pytest.raises(ModelError, match=r"splits.json: damaged; delete it"):
        RunSplits.load(path)
