"""Data sets as other tools leave them, opened without an option."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from foreign_layouts import BOX, HEIGHT, LAYOUTS, ROBOFLOW, WIDTH, Build
from PIL import Image

from singleshot.data.dataset import DataSet
from singleshot.data.formats.format import Format
from singleshot.data.opening import FORMATS, open_dataset, splits_of
from singleshot.data.splits import evaluation_split, training_split
from singleshot.errors import DataError
from singleshot.structures import Truth

NUMBERS = {"VOCdevkit of two years": 12, "splits in a folder in a folder": 12}


@pytest.mark.parametrize(("name", "build"), LAYOUTS.items(), ids=LAYOUTS)
def test_every_layout_opens(name: str, build: Build, tmp_path: Path):
    build(tmp_path)
    dataset = open_dataset(tmp_path)
    assert len(dataset) == NUMBERS.get(name, 12 if name in ROBOFLOW else 6)
    assert dataset.class_names == ("RBC", "WBC")
    assert (dataset.sizes == [HEIGHT, WIDTH]).all()
    expected = torch.tensor(BOX, dtype=torch.float64).expand(len(dataset), 4)
    torch.testing.assert_close(dataset.truths.boxes, expected, atol=1e-4, rtol=0)
    assert len(set(dataset.paths.tolist())) == len(dataset)
    assert dataset[0].image.shape == (3, HEIGHT, WIDTH)


@pytest.mark.parametrize("build", [*ROBOFLOW.values(), LAYOUTS["splits in a folder in a folder"]])
def test_splits_in_folders_are_used_without_an_option(build: Build, tmp_path: Path):
    build(tmp_path)
    # YOLO's have the names of data.yaml.
    assert {name.removesuffix("id") for name in splits_of(tmp_path)} == {"train", "val", "test"}
    data = training_split([tmp_path], None, None, seed=0)
    assert data.validation is not None
    assert not data.set_aside
    names = [Path(path).name.split("-")[0] for path in data.train.paths]
    assert names == ["train"] * 6
    assert {Path(path).name.split("-")[0] for path in data.validation.paths} == {"valid"}
    test = evaluation_split([tmp_path], None).dataset
    assert {Path(path).name.split("-")[0] for path in test.paths} == {"test"}
    assert [len(data.validation), len(test)] == [3, 3]


@pytest.mark.parametrize("data_format", FORMATS, ids=lambda one: one.name)
def test_a_folder_for_each_split_holds_any_format(data_format: Format, tmp_path: Path):
    for index, split in enumerate(("train", "val", "test")):
        file = tmp_path / f"{index}.png"
        Image.new("RGB", (40, 30), (index, 0, 0)).save(file)
        truth = Truth.of(torch.tensor([[1.0, 2, 11, 22]]), torch.tensor([0]))
        dataset = DataSet.of(("cat",), [(file, truth)], description="")
        data_format.write(dataset, tmp_path / "to" / split)
    assert set(splits_of(tmp_path / "to")) == {"train", "val", "test"}
    for index, split in enumerate(("train", "val", "test")):
        dataset = open_dataset(tmp_path / "to", split)
        assert [Path(path).name for path in dataset.paths] == [f"{index}.png"]
        assert dataset.truths.boxes.round().tolist() == [[1, 2, 11, 22]]
    with pytest.raises(DataError, match="no split 'dev'; it has test, train, val"):
        open_dataset(tmp_path / "to", "dev")


def test_a_devkit_of_two_years_has_splits_of_each(tmp_path):
    LAYOUTS["VOCdevkit of two years"](tmp_path)
    assert splits_of(tmp_path) == ("2007-test", "2007-trainval", "2012-test", "2012-trainval")
    data = training_split([tmp_path], None, "none", seed=0)
    assert len(data.train) == 8
    assert len(evaluation_split([tmp_path], None).dataset) == 4
