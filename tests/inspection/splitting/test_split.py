# Tests singleshot/inspection/splitting/groups.py, singleshot/inspection/splitting/options.py
# Tests singleshot/inspection/splitting/result.py, singleshot/inspection/splitting/tables.py
# Tests singleshot/cli/data/split.py
from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import singleshot
from singleshot.cli import app
from singleshot.data.formats import coco, voc
from singleshot.data.opening import read_dataset, splits_of
from singleshot.errors import SingleshotError, StorageError
from singleshot.inspection.splitting.options import SplitOptions, parse_fractions
from singleshot.inspection.splitting.tables import format_split
from singleshot.structures import Truth

CLASSES = ("cat", "dog")


@pytest.fixture
def animals(tmp_path) -> Path:
    """A VOC folder of 40 images from eight cameras; every fourth image has a dog."""
    return make_animals(tmp_path / "animals", voc.FORMAT)


def make_animals(folder: Path, data_format: singleshot.Format) -> Path:
    import torch

    source = folder.parent / f"{folder.name}-images"
    source.mkdir()
    images = []
    for index in range(40):
        path = source / f"cam{index // 5}_{index:02}.png"
        Image.new("RGB", (40, 30), (6 * index, 90, 90)).save(path)
        labels = [0, 1] if index % 4 == 0 else [0]
        boxes = torch.tensor([[1.0, 2, 20, 22]]).repeat(len(labels), 1)
        images.append((path, Truth.of(boxes, torch.tensor(labels))))
    dataset = singleshot.DataSet.of(CLASSES, images, description="made up")
    data_format.write(dataset, folder)
    return folder


def names_in(folder: Path, split: str) -> set[str]:
    return {Path(path).name for path in read_dataset(folder, split).paths}


def test_a_data_set_is_split_in_its_own_format(animals, tmp_path):
    before = {path: path.read_bytes() for path in animals.rglob("*.*")}
    result = singleshot.split_dataset(animals, tmp_path / "out")
    assert splits_of(tmp_path / "out") == ("test", "train", "val")
    assert {name: part.images for name, part in result.parts.items()} == {
        "train": 32,
        "val": 4,
        "test": 4,
    }
    # Ten images with a dog: in shares of 0.8, 0.1 and 0.1.
    assert [part.images_of_class.tolist() for part in result.parts.values()] == [
        [32, 8],
        [4, 1],
        [4, 1],
    ]
    for name in result.parts:
        assert len(read_dataset(tmp_path / "out", name)) == result.parts[name].images
    assert {path: path.read_bytes() for path in animals.rglob("*.*")} == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["animals", "animals-images", "out"]


def test_a_coco_file_is_split_into_coco_files(tmp_path):
    folder = make_animals(tmp_path / "animals", coco.FORMAT)
    file = folder / "annotations/instances_all.json"
    result = singleshot.split_dataset(file, tmp_path / "out", fractions={"a": 0.5, "b": 0.5})
    assert (result.format, splits_of(tmp_path / "out")) == ("COCO", ("a", "b"))
    assert names_in(tmp_path / "out", "a") | names_in(tmp_path / "out", "b") == names_in(
        file, "all"
    )


def test_images_of_a_camera_stay_together(animals, tmp_path):
    messages: list[str] = []
    singleshot.split_dataset(
        animals,
        tmp_path / "out",
        group_by=r"(cam\d+)_",
        fractions="train=0.5,val=0.25,test=0.25",
        on_message=messages.append,
    )
    cameras = [
        {name[:4] for name in names_in(tmp_path / "out", split)}
        for split in ("train", "val", "test")
    ]
    assert sorted(map(len, cameras)) == [2, 2, 4]
    assert len(set.union(*cameras)) == 8
    assert r"8 groups by (cam\d+)_, the largest of 5 images" in messages


def test_near_duplicates_stay_together(shared, tmp_path):
    source = shared / "data/voc2012_100/VOC2012"
    dataset = read_dataset(source).subset(range(20), description="")
    voc.FORMAT.write(dataset, tmp_path / "twice")
    for xml in (tmp_path / "twice/Annotations").iterdir():
        image = Image.open(tmp_path / f"twice/JPEGImages/{xml.stem}.jpg")
        image.resize((200, 150)).save(tmp_path / f"twice/JPEGImages/again_{xml.stem}.jpg")
        text = xml.read_text().replace(f"{xml.stem}.jpg", f"again_{xml.stem}.jpg")
        text = text.replace(f"<height>{image.height}<", "<height>150<")
        text = text.replace(f"<width>{image.width}<", "<width>200<")
        head, _, _ = text.partition("<object>")
        xml.with_name(f"again_{xml.name}").write_text(head + "</annotation>" * ("<object>" in text))
    result = singleshot.split_dataset(
        tmp_path / "twice", tmp_path / "out", group_by="near-duplicates", fractions="a=0.5,b=0.5"
    )
    assert result.groups == "20 groups by near-duplicates, the largest of 2 images"
    for split in ("a", "b"):
        names = names_in(tmp_path / "out", split)
        originals = {name for name in names if not name.startswith("again_")}
        assert names == originals | {f"again_{name}" for name in originals}


def test_a_name_that_does_not_match_is_a_group_of_its_own(animals, tmp_path):
    messages: list[str] = []
    result = singleshot.split_dataset(
        animals, tmp_path / "out", group_by="(cam[0-3])", on_message=messages.append
    )
    assert result.groups == "24 groups by (cam[0-3]), the largest of 5 images"
    assert messages[1].startswith("20 of 40 names do not match")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"group_by": "(dog)"}, "matches no file name; they are such as cam0_00.png"),
        ({"group_by": "folder"}, "holds all images"),
        ({"number": 41}, "has 40 images, fewer than the 41"),
        ({"number": 2}, "2 images in 2 groups cannot be split into 3 parts"),
        ({"group_by": "cam"}, "40 images in 1 groups cannot be split into 3 parts"),
        ({"split": "nights"}, "nights"),
    ],
)
def test_what_cannot_be_split_is_refused_and_nothing_written(options, message, animals, tmp_path):
    with pytest.raises(SingleshotError) as refusal:
        singleshot.split_dataset(animals, tmp_path / "out", **options)
    assert message in str(refusal.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("fractions", "message"),
    [
        ("train=0.8", "adds up to 0.8"),
        ("train=1.2,val=-0.2", "numbers above 0"),
        ("train", "expected NAME=FRACTION"),
        ("train=nan,val=0.1", "adds up to nan"),
        ("../a=1", "no name of a split"),
        ("a=0.5,a=0.5", "has a name twice"),
    ],
)
def test_wrong_fractions_are_refused(fractions, message):
    with pytest.raises(SingleshotError, match=message):
        parse_fractions(fractions)


def test_a_wrong_expression_is_refused(tmp_path):
    with pytest.raises(SingleshotError, match="no regular expression"):
        SplitOptions(tmp_path / "out", group_by="(cam")


def test_a_folder_that_is_not_empty_is_refused(animals):
    with pytest.raises(StorageError, match="is not empty"):
        singleshot.split_dataset(animals, animals)


def test_a_folder_inside_the_data_set_is_refused(animals):
    with pytest.raises(StorageError, match="lies inside the data set"):
        singleshot.split_dataset(animals, animals / "out")


def test_an_empty_folder_is_taken(animals, tmp_path):
    (tmp_path / "out").mkdir()
    singleshot.split_dataset(animals, tmp_path / "out")
    assert len(read_dataset(tmp_path / "out")) == 40


def test_after_an_error_nothing_is_left(animals, tmp_path, monkeypatch):
    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("shutil.copyfile", fail)
    with pytest.raises(StorageError, match="No space left on device"):
        singleshot.split_dataset(animals, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith((".", "out"))] == []


def test_images_can_be_hard_links(animals, tmp_path):
    result = singleshot.split_dataset(animals, tmp_path / "out", link=True)
    image = tmp_path / "out/JPEGImages/cam0_00.png"
    assert result.linked == 40
    assert image.samefile(animals / "JPEGImages/cam0_00.png")


def test_images_of_one_name_are_all_split(animals, tmp_path):
    for folder, suffix in (("JPEGImages", "png"), ("Annotations", "xml")):
        (animals / folder / "cam").mkdir()
        (animals / f"{folder}/cam0_00.{suffix}").rename(animals / f"{folder}/cam/cam0_01.{suffix}")
    messages = []
    singleshot.split_dataset(animals, tmp_path / "out", on_message=messages.append)
    assert len(read_dataset(tmp_path / "out")) == 40
    assert "renamed 1 image of equal names" in messages[-1]


def test_the_format_is_that_which_the_user_names(animals, tmp_path):
    coco.FORMAT.write(read_dataset(animals), animals)
    assert singleshot.split_dataset(animals, tmp_path / "a").format == "VOC"
    assert singleshot.split_dataset(animals, tmp_path / "b", data_format="co-co").format == "COCO"


def test_a_missing_image_is_refused(tmp_path):
    folder = make_animals(tmp_path / "animals", coco.FORMAT)
    for image in (folder / "images").iterdir():
        image.unlink()
    with pytest.raises(SingleshotError, match="name their folder: --images DIR"):
        singleshot.split_dataset(folder, tmp_path / "out")


def test_the_same_seed_gives_the_same_parts(animals, tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        singleshot.split_dataset(animals, tmp_path / name, seed=seed)
    assert names_in(tmp_path / "a", "val") == names_in(tmp_path / "b", "val")
    assert names_in(tmp_path / "a", "val") != names_in(tmp_path / "c", "val")


def test_the_table_names_classes_that_are_not_in_every_part():
    counts = {
        part: {
            "images": 2,
            "per_class": {f"class {index}": {"images": 1, "objects": index} for index in range(50)},
        }
        for part in ("train", "val")
    }
    document = {"parts": {name: {**part, "objects": 9} for name, part in counts.items()}}
    text = format_split({**document, "missing": {"class 0": ["val"], "class 1": ["val"]}})
    assert text.splitlines()[1] == "class 49          1 / 49  1 / 49"
    assert text.splitlines()[-3:] == [
        "all                2 / 9   2 / 9",
        "… and 10 more classes",
        "not in val, as they have too few images or groups: class 0, class 1",
    ]


def test_the_command_prints_a_table_or_json(animals, tmp_path):
    table = CliRunner().invoke(app, ["data", "split", str(animals), str(tmp_path / "a")])
    assert table.exit_code == 0
    assert table.stdout.splitlines()[-1] == "all               32 / 40  4 / 5  4 / 5"
    printed = CliRunner().invoke(
        app, ["data", "split", str(animals), str(tmp_path / "b"), "--json"]
    )
    document = json.loads(printed.stdout)
    assert document["parts"]["val"]["per_class"]["dog"] == {"images": 1, "objects": 1}
    assert np.array_equal(document["missing"], {})
