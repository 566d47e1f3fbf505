"""The contract of every annotation format (`singleshot/data/formats/format.py`)."""

# Tests singleshot/data/formats/format.py

from __future__ import annotations

import re
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from singleshot.data.dataset import DataSet
from singleshot.data.formats.format import LEFT_OUT, Format
from singleshot.data.opening import FORMATS, open_dataset, read_dataset, splits_of
from singleshot.data.reading import ReadingOptions
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


def kept_by(data_format: Format, dataset: DataSet) -> torch.Tensor:
    """Mark the objects that a format has a place for: some have none for regions."""
    left_out = data_format.without.get("crowd") == LEFT_OUT
    return ~(dataset.truths.crowd & left_out)


def not_counted(dataset: DataSet) -> list[bool]:
    return (dataset.truths.crowd | dataset.truths.difficult).tolist()


@each_format
def test_a_data_set_written_is_read_again(data_format: Format, dataset: DataSet, tmp_path: Path):
    data_format.write(dataset, tmp_path / "to")
    again = open_dataset(tmp_path / "to")
    assert again.description.startswith(data_format.name)
    assert again.class_names == dataset.class_names
    assert [Path(path).name for path in again.paths] == ["0.png", "1.png", "2.png"]
    expected = dataset.truths[kept_by(data_format, dataset)]
    torch.testing.assert_close(again.truths.boxes.float(), expected.boxes)
    assert again.truths.labels.tolist() == expected.labels.tolist()
    assert again.ends.tolist() == [2, len(expected), len(expected)]
    assert not_counted(again) == [False, False, True][: len(expected)]
    # Not every format states sizes.
    assert again.sizes.tolist() in ([[30, 40]] * 3, [[0, 0]] * 3)
    assert [int(again[index].image[0, 0, 0]) for index in range(3)] == [0, 1, 2]


@each_format
def test_what_a_format_has_no_place_for_is_listed_and_nothing_else(
    data_format: Format, dataset: DataSet, tmp_path: Path
):
    truths = dataset.truths
    truths.boxes[1], truths.areas[0] = torch.tensor([0, 0.5, 0.5, 30]), 77
    truths.difficult[1] = True
    ids = {"image_ids": np.array([7, 3, 12]), "category_ids": (2, 5, 9), "has_ids": True}
    dataset = replace(dataset, class_names=("a & b", "c", "unused"), **ids)
    data_format.write(dataset, tmp_path / "to", splits={"train": [0, 1], "test": [1, 2]})
    again = open_dataset(tmp_path / "to")
    index_of = {Path(path).name: index for index, path in enumerate(again.paths)}
    indices = [index_of[name] for name in ("0.png", "1.png", "2.png")]
    first, second = (again.exact_truth(index) for index in indices[:2])
    kept = {
        "difficult": first.difficult.tolist() == [False, True],
        "crowd": second.crowd.tolist() == [True],
        "narrow": torch.allclose(first.boxes[1].float(), truths.boxes[1], atol=1e-5),
        "area": abs(first.areas[0].item() - 77) < 1e-3,
        "id": again.has_ids and again.image_ids[indices].tolist() == [7, 3, 12],
        "classes": again.class_names == dataset.class_names,
        "overlap": [len(open_dataset(tmp_path / "to", one)) for one in (None, "train", "test")]
        == [3, 2, 2],
    }
    assert {loss for loss, is_kept in kept.items() if not is_kept} == {*data_format.without}


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
    file.write_bytes(file.read_bytes()[:-10])
    with pytest.raises(DataError, match=re.escape(file.name)):
        read_dataset(tmp_path / "to")


@each_format
def test_two_images_of_one_name_both_survive(data_format: Format, dataset: DataSet, tmp_path: Path):
    (tmp_path / "from/inner").mkdir()
    Image.new("RGB", (40, 30), (9, 0, 0)).save(tmp_path / "from/inner/0.png")
    images = [(Path(dataset.paths[0]), dataset.truth(0))]
    images.append((tmp_path / "from/inner/0.png", dataset.truth(0)[:1]))
    twins = DataSet.of(dataset.class_names, images, description="twins")
    data_format.write(twins, tmp_path / "to", splits={"train": [0], "test": [1]})
    again = open_dataset(tmp_path / "to")
    lengths = again.ends.diff(prepend=torch.tensor([0])).tolist()
    reds = [int(again[index].image[0, 0, 0]) for index in range(2)]
    assert sorted(zip(reds, lengths, strict=True)) == [(0, 2), (9, 1)]


# Names of files with spaces, commas and any letters; the writers keep them where they differ.
NAMES = st.text(
    st.characters(
        categories=("L", "N", "P", "S", "Zs"),
        exclude_characters='/\\\0:*?"<>|',
        max_codepoint=0x2FFFF,
    ),
    min_size=1,
    max_size=12,
).filter(lambda name: name == name.strip() and not name.startswith("."))
LABELS = st.text(st.characters(categories=("L", "N", "P", "S")), min_size=1, max_size=8)


@st.composite
def box_in_image(draw: st.DrawFn) -> list[float]:
    """Draw a box in an image 400 wide and 300 high, many of them one pixel wide."""
    x, y = draw(st.floats(0, 399)), draw(st.floats(0, 299))
    width = draw(st.one_of(st.just(1.0), st.floats(1, 400)))
    height = draw(st.one_of(st.just(1.0), st.floats(1, 300)))
    return [x, y, min(x + width, 400), min(y + height, 300)]


@st.composite
def images_with_boxes(draw: st.DrawFn) -> list[tuple[str, list[tuple[list[float], int, str]]]]:
    """Draw names of images and their objects: box, class, and a flag or none."""
    names = draw(st.lists(NAMES, min_size=1, max_size=4, unique_by=str.casefold))
    flags = st.sampled_from(["", "", "difficult", "crowd"])
    objects = st.tuples(box_in_image(), st.integers(0, 1), flags)
    return [(name, draw(st.lists(objects, max_size=5))) for name in names]


def made_up(folder: Path, class_names: list[str], images) -> DataSet:
    """Write blank images, 400 wide and 300 high, with these objects."""
    pairs = []
    for name, objects in images:
        Image.new("L", (400, 300)).save(folder / f"{name}.png")
        boxes = torch.tensor([box for box, *_ in objects], dtype=torch.float64).reshape(-1, 4)
        truth = Truth.of(boxes, torch.tensor([label for _, label, _ in objects]).long())
        for index, (_, _, flag) in enumerate(objects):
            if flag:
                getattr(truth, flag)[index] = True
        pairs.append((folder / f"{name}.png", truth))
    return DataSet.of(class_names, pairs, description="made up")


def assert_same(data_format: Format, again: DataSet, dataset: DataSet) -> None:
    """Compare all that a format has a place for; images by their names."""
    used = {dataset.class_names[label] for label in dataset.truths.labels.tolist()}
    assert used <= {*again.class_names} or "crowd" in data_format.without
    of_name = {Path(path).name: again.exact_truth(index) for index, path in enumerate(again.paths)}
    assert len(of_name) == len(dataset)
    kept = kept_by(data_format, dataset)
    begin = 0
    for index, path in enumerate(dataset.paths):
        truth = dataset.exact_truth(index)
        written = truth[kept[begin : begin + len(truth)]]
        begin += len(truth)
        found = of_name[Path(path).name]
        torch.testing.assert_close(found.boxes, written.boxes, rtol=1e-6, atol=2e-6)
        names = [again.class_names[label] for label in found.labels.tolist()]
        assert names == [dataset.class_names[label] for label in written.labels.tolist()]
        for flag in ("difficult", "crowd"):
            if not {"difficult", "crowd"} & {*data_format.without}:
                assert getattr(found, flag).tolist() == getattr(written, flag).tolist()


@each_format
@settings(deadline=None, max_examples=15)
@given(
    images=images_with_boxes(), class_names=st.lists(LABELS, min_size=2, max_size=2, unique=True)
)
def test_whatever_is_written_is_read_again(data_format: Format, images, class_names):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "from").mkdir()
        dataset = made_up(folder / "from", class_names, images)
        data_format.write(dataset, folder / "to")
        again = read_dataset(folder / "to", None, ReadingOptions(data_format=data_format.name))
        assert_same(data_format, again, dataset)


@each_format
def test_ten_thousand_boxes_are_read_again(data_format: Format, tmp_path: Path, random):
    corners = torch.rand(10_000, 2, generator=random, dtype=torch.float64) * 250
    boxes = torch.cat([corners, corners + 50 * torch.rand(10_000, 2, generator=random)], dim=1) + 1
    objects = [(box, 0, "") for box in boxes.tolist()]
    dataset = made_up(tmp_path, ["a", "b"], [("a, b (1)", objects)])
    data_format.write(dataset, tmp_path / "to")
    again = read_dataset(tmp_path / "to")
    narrow = "narrow" in data_format.without  # boxes narrower than a pixel are widened
    wide = ((boxes[:, 2:] - boxes[:, :2]) >= 1).all(dim=1) if narrow else slice(None)
    torch.testing.assert_close(again.truths.boxes[wide], boxes[wide], rtol=1e-6, atol=0)


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
