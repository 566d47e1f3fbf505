"""The contract of every annotation format (`singleshot/data/formats/format.py`)."""

# Tests singleshot/data/formats/format.py

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from PIL import Image

from singleshot.data.dataset import DataSet
from singleshot.data.formats.format import Format
from singleshot.data.opening import FORMATS, open_dataset, read_dataset, splits_of
from singleshot.errors import DataError, PluginError
from singleshot.plugins import register
from singleshot.structures import Truth

each_format = pytest.mark.parametrize("data_format", FORMATS, ids=lambda one: one.name)


@pytest.fixture
def dataset(tmp_path: Path) -> DataSet:
    """Three images, 40 wide and 30 high: two objects, one not counted, none."""
    boxes = [[[1.0, 2, 11, 22], [0, 0.5, 40, 30]], [[5.0, 6, 9, 10]], []]
    labels = [[0, 1], [1], []]
    images = []
    (tmp_path / "from").mkdir()
    for index, (of_image, labels_of_image) in enumerate(zip(boxes, labels, strict=True)):
        path = tmp_path / "from" / f"{index}.png"
        Image.new("RGB", (40, 30), (index, 0, 0)).save(path)
        truth = Truth.of(
            torch.tensor(of_image).reshape(-1, 4), torch.tensor(labels_of_image).long()
        )
        images.append((path, truth))
    images[1][1].crowd[:] = True
    return DataSet.of(("a & b", "c"), images, description="made up")


def not_counted(dataset: DataSet) -> list[bool]:
    return (dataset.truths.crowd | dataset.truths.difficult).tolist()


@each_format
def test_a_data_set_written_is_read_again(data_format: Format, dataset: DataSet, tmp_path: Path):
    data_format.write(dataset, tmp_path / "to")
    again = open_dataset(tmp_path / "to")
    assert again.description.startswith(data_format.name)
    assert again.class_names == dataset.class_names
    assert [Path(path).name for path in again.paths] == ["0.png", "1.png", "2.png"]
    torch.testing.assert_close(again.truths.boxes.float(), dataset.truths.boxes)
    assert again.truths.labels.tolist() == dataset.truths.labels.tolist()
    assert again.ends.tolist() == [2, 3, 3]
    assert not_counted(again) == [False, False, True]
    # Not every format states sizes.
    assert again.sizes.tolist() in ([[30, 40]] * 3, [[0, 0]] * 3)
    assert [int(again[index].image[0, 0, 0]) for index in range(3)] == [0, 1, 2]


@each_format
def test_splits_are_written_and_read(data_format: Format, dataset: DataSet, tmp_path: Path):
    data_format.write(dataset, tmp_path / "to", splits={"train": [0], "test": [1]})
    assert len(open_dataset(tmp_path / "to")) == 3
    if not splits_of(tmp_path / "to"):
        pytest.skip("the format has no splits")
    assert {"train", "test"} <= set(splits_of(tmp_path / "to"))
    assert Path(open_dataset(tmp_path / "to", "test").paths[0]).name == "1.png"
    with pytest.raises(DataError, match=r"to: there is no split 'val'; it has .*test"):
        open_dataset(tmp_path / "to", "val")


@each_format
def test_names_that_begin_with_a_dot_are_no_annotations(
    data_format: Format, dataset: DataSet, tmp_path: Path
):
    data_format.write(dataset, tmp_path / "to", splits={"train": [0], "test": [1, 2]})
    expected, splits = open_dataset(tmp_path / "to"), splits_of(tmp_path / "to")
    for path in list((tmp_path / "to").rglob("*.*")):
        path.with_name(f"._{path.name}").write_bytes(b"\0\5\x16\7 attributes of macOS")
    again = open_dataset(tmp_path / "to")
    assert again.paths.tolist() == expected.paths.tolist()
    assert splits_of(tmp_path / "to") == splits


@each_format
def test_only_its_own_data_sets_are_recognised(
    data_format: Format, dataset: DataSet, tmp_path: Path
):
    for other in FORMATS:
        folder = tmp_path / other.name
        other.write(dataset, folder)
        assert data_format.recognise(folder) == (other is data_format)
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("nothing")
    for path in (tmp_path / "empty", tmp_path / "notes.txt", tmp_path / "from"):
        assert not data_format.recognise(path)


@each_format
def test_an_error_names_the_broken_file(data_format: Format, dataset: DataSet, tmp_path: Path):
    data_format.write(dataset, tmp_path / "to")
    files = (path for path in (tmp_path / "to").rglob("*.*") if path.suffix != ".png")
    file = min(files)  # of VOC, a file in Annotations/
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(DataError, match=re.escape(file.name)):
        read_dataset(tmp_path / "to")


@each_format
def test_two_images_of_one_name_are_refused(data_format: Format, dataset: DataSet, tmp_path: Path):
    twice = dataset.subset([0, 0], description="twice")
    with pytest.raises(DataError, match="two images"):
        data_format.write(twice, tmp_path / "to")


def test_a_format_of_a_plugin_is_tried_last_and_needs_a_name_of_its_own(monkeypatch, tmp_path):
    monkeypatch.setattr("singleshot.plugins._extensions", [])
    read = DataSet.of(
        (),
        [(Path("a.jpg"), Truth.of(torch.zeros(0, 4), torch.zeros(0).long()))],
        description="plugin",
    )
    plugin = Format(
        name="plugin",
        layout="a plugin's folder",
        recognise=lambda path: path.name == "mine",
        splits=lambda _: (),
        read=lambda *_: read,
        write=FORMATS[0].write,
    )
    register(plugin)
    register(plugin)
    (tmp_path / "mine").mkdir()
    assert open_dataset(tmp_path / "mine").description == "plugin"
    with pytest.raises(PluginError, match="two of type Format are named 'plugin'"):
        register(Format("plugin", "", plugin.recognise, plugin.splits, plugin.read, plugin.write))
