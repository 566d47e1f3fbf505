from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image

from singleshot.data.converting import ConvertOptions, convert_dataset
from singleshot.data.opening import FORMATS, read_dataset, splits_of
from singleshot.errors import DataError, StorageError
from singleshot.inspection.check.check import check_dataset
from singleshot.options import options_of


@pytest.fixture
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder to write, outside of the data set."""
    return tmp_path_factory.mktemp("converted") / "out"


@pytest.fixture
def other_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder outside that of the data set."""
    return tmp_path_factory.mktemp("other")


def names_of(path: Path, split: str) -> list[str]:
    return sorted(Path(one).name for one in read_dataset(path, split).paths)


@pytest.mark.parametrize("target", [one.name for one in FORMATS if "overlap" not in one.without])
def test_all_splits_are_kept(voc_folder, target, out):
    converted = convert_dataset(voc_folder, out, to=target)
    assert converted.splits == {"test": 2, "train": 8, "trainval": 10, "val": 2}
    for split in splits_of(voc_folder):
        assert names_of(out, split) == names_of(voc_folder, split)
    assert len(read_dataset(out)) == 12


def test_one_split_is_converted_alone(voc_folder, out):
    converted = convert_dataset(voc_folder, out, to="coco", split="val+test")
    assert converted.splits == {"val": 2, "test": 2}
    assert str(converted) == (
        f"wrote 4 images (val 2, test 2) with 6 objects of 2 classes to {out}, as COCO"
    )
    assert splits_of(out) == ("test", "val")


def test_images_in_no_split_are_kept(add_voc, add_split, tmp_path):
    add_voc("a", ("cat", (1, 1, 9, 9)), folder=tmp_path / "from")
    add_voc("b", folder=tmp_path / "from")
    add_split("train", "a", folder=tmp_path / "from")
    convert_dataset(tmp_path / "from", tmp_path / "out", to="yolo")
    assert splits_of(tmp_path / "out") == ("train", "all")
    assert names_of(tmp_path / "out", "all") == ["b.jpg"]


def test_what_a_format_has_no_place_for_is_counted(add_coco, tmp_path, other_path):
    crowd = {"iscrowd": 1, "bbox": [1, 2, 3, 4]}
    add_coco("train", {"area": 12}, crowd, {"bbox": [1, 2, 0.5, 4]})
    messages: list[str] = []
    converted = convert_dataset(tmp_path, other_path / "out", to="VOC", on_message=messages.append)
    assert messages == list(converted.messages)
    assert messages[1:] == [
        "VOC has no regions (crowd): 1 become difficult objects",
        "VOC has no boxes narrower than a pixel: 1 are widened to one",
        "VOC has no areas of objects: 1 become those of the boxes",
        "VOC has no ids of images: 2 are left out",
        "VOC has no classes without objects: 1 are left out",
    ]
    converted = convert_dataset(tmp_path, other_path / "yolo", to="yolo")
    assert converted.num_objects == 2
    assert len(read_dataset(other_path / "yolo").truths) == 2


def test_coco_to_coco_keeps_ids_areas_and_regions(add_coco, tmp_path, out):
    add_coco("val", {"area": 12.5, "category_id": 3}, {"iscrowd": 1})
    convert_dataset(tmp_path, out, to="coco", link=True)
    before, after = read_dataset(tmp_path, "val"), read_dataset(out, "val")
    assert after.image_ids.tolist() == before.image_ids.tolist() == [10, 11]
    assert after.category_ids == before.category_ids == (1, 3)
    assert after.truths.areas.tolist() == before.truths.areas.tolist()
    assert after.truths.crowd.tolist() == [False, True]
    assert Path(after.paths[0]).samefile(before.paths[0])


def test_equal_names_of_two_folders_both_survive(add_voc, tmp_path):
    for folder, box in (("train", (1, 1, 9, 9)), ("test", (1, 1, 20, 20))):
        add_voc("a", ("cat", box), folder=tmp_path / "from" / folder)
    converted = convert_dataset(tmp_path / "from", tmp_path / "out", to="yolo")
    assert converted.splits == {"test": 1, "train": 1}
    assert any("renamed 2 images of equal names" in line for line in converted.messages)
    boxes = read_dataset(tmp_path / "out", "train").truths.boxes
    torch.testing.assert_close(boxes, torch.tensor([[0, 0, 9, 9.0]]).double())
    assert names_of(tmp_path / "out", "train") == ["train_a.jpg"]


def test_a_folder_with_files_is_refused(voc_folder, out):
    out.mkdir()
    (out / "notes.txt").touch()
    with pytest.raises(StorageError, match="out: is not empty: there is notes"):
        convert_dataset(voc_folder, out, to="coco")


def test_a_folder_inside_the_data_set_is_refused(voc_folder):
    # It would be taken for a part of the data set, or for the whole of it, the next time.
    with pytest.raises(StorageError, match=r"out: lies inside the data set .*choose a folder"):
        convert_dataset(voc_folder, voc_folder / "new" / "out", to="coco")
    assert not (voc_folder / "new").exists()


def test_after_an_error_nothing_is_left(voc_folder, monkeypatch, out):
    def fail(*_: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr("shutil.copyfile", fail)
    before = sorted(out.parent.iterdir())
    with pytest.raises(StorageError, match="not written: No space left"):
        convert_dataset(voc_folder, out, to="coco")
    assert sorted(out.parent.iterdir()) == before


def test_an_unknown_format_and_missing_images_are_refused(add_coco, tmp_path):
    with pytest.raises(DataError, match="--to kitti: no such format; there are VOC, COCO"):
        convert_dataset(tmp_path, tmp_path / "out", to="kitti")
    json = add_coco("train", {}, images_in=None)
    with pytest.raises(DataError, match="found none of its images"):
        convert_dataset(json, tmp_path / "out", to="voc")
    assert not (tmp_path / "out").exists()


def test_every_form_of_real_images_keeps_its_boxes(shared, tmp_path):
    voc = read_dataset(shared / "data/voc2012_100/VOC2012")
    source = shared / "data/voc2012_100/VOC2012"
    for index, target in enumerate(FORMATS):
        out = tmp_path / str(index)
        convert_dataset(source, out, to=target.name, link=True)
        again = read_dataset(out).with_classes(voc.class_names)
        order = {Path(path).name: row for row, path in enumerate(again.paths)}
        for row, path in enumerate(voc.paths):
            truth, expected = again.exact_truth(order[Path(path).name]), voc.exact_truth(row)
            torch.testing.assert_close(truth.boxes, expected.boxes, rtol=1e-6, atol=1e-6)
            assert truth.labels.tolist() == expected.labels.tolist()


def test_the_help_names_every_format():
    (to,) = [one for one in options_of(ConvertOptions) if one.name == "to"]
    for one in FORMATS:
        assert one.name.lower().replace(" ", "-") in to.help


@pytest.fixture
def tables(tmp_path: Path) -> Path:
    """Return a data set of two tables without sizes, one of whose images is empty."""
    folder = tmp_path / "tables"
    folder.mkdir()
    for split, names in (("train", "abc"), ("test", "de")):
        rows = [f"{name}.png,1,1,9,9,cat" for name in names]
        table = "\n".join(["image,xmin,ymin,xmax,ymax,label", *rows, ""])
        (folder / f"{split}.csv").write_text(table)
        for name in names:
            Image.effect_noise((16, 12), 90).convert("RGB").save(folder / f"{name}.png")
    (folder / "b.png").write_bytes(b"")
    return folder


def test_an_image_that_cannot_be_read_is_left_out_of_every_split(tables, out):
    reading = {"on_error": "skip"}
    converted = convert_dataset(tables, out, to="coco", **reading)
    assert converted.splits == {"train": 2, "test": 2}
    assert any("left out 1" in message for message in converted.messages)


def test_a_check_reports_an_image_that_cannot_be_read_and_goes_through_all_splits(tables):
    found = check_dataset(tables)
    [unreadable] = [kind for kind in found.kinds if kind.title == "1 image that cannot be read"]
    assert "b.png: empty" in str(unreadable.findings[0])
    assert found.images == 4


@pytest.mark.parametrize("target", ["via", "voc", "coco", "yolo", "labelme", "shards"])
def test_a_split_that_would_leave_the_folder_is_refused(voc_folder, other_path, out, target):
    convert_dataset(voc_folder, other_path / "yolo", to="yolo")
    [config] = (other_path / "yolo").glob("*.yaml")
    text = config.read_text()
    config.write_text(text.replace("\ntest:", "\n../../test:"))
    with pytest.raises(DataError, match=r"split '\.\./\.\./test': not on every"):
        convert_dataset(other_path / "yolo", out, to=target)
    assert not out.exists()
