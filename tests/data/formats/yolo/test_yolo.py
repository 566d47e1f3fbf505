# Tests singleshot/data/formats/yolo/layouts.py

from __future__ import annotations

import re
from pathlib import Path

import pytest

from singleshot.data.formats import yolo
from singleshot.data.opening import read_dataset, splits_of
from singleshot.data.reading import ReadingOptions
from singleshot.errors import DataError

MIDDLE = "0 0.5 0.5 0.5 0.5\n"  # of 40 by 30 pixels
MIDDLE_BOX = [10, 7.5, 30, 22.5]
YAML = "names: [cat, dog]\nnc: 2\n"


def boxes_of(path: Path, split: str | None = None) -> list[list[float]]:
    return read_dataset(path, split).truths.boxes.tolist()


def test_centre_and_lengths_become_corners(add_images, add_texts):
    add_images("images/a.jpg")
    path = add_texts({"labels/a.txt": "1 0.25 0.5 0.1 0.2\n", "classes.txt": "cat\ndog\n"})
    dataset = read_dataset(path)
    assert dataset.truths.boxes.tolist() == [pytest.approx([8, 12, 12, 18])]
    assert dataset.class_names == ("cat", "dog")
    assert dataset.truths.labels.tolist() == [1]
    assert dataset.sizes.tolist() == [[30, 40]]


# Layouts.


@pytest.mark.parametrize(
    "yaml",
    [
        "train: images/train\nval: images/val\n",
        "path: .\ntrain: ./images/train/\nval: [images/val]\n",
        "path: /content/gone\ntrain: images/train\nval: images/val\n",
        "train: /content/gone/images/train\nval: C:\\data\\images\\val\n",
        "train: ../images/train\nval: ../../images/val\ntest: ../images/test\n",
        "train: train.txt\nval: lists/val.txt\n",
    ],
)
def test_ultralytics_names_folders_and_lists(add_images, add_texts, yaml):
    add_images("images/train/a.jpg", "images/val/b.jpg", "images/val/c.jpg")
    lists = {"train.txt": "./images/train/a.jpg\n", "lists/val.txt": "images/val/b.jpg\n"}
    lists["lists/val.txt"] += "/content/gone/images/val/c.jpg\n"
    labels = {"labels/train/a.txt": MIDDLE, "labels/val/b.txt": MIDDLE * 2}
    path = add_texts({"data.yaml": YAML + yaml, **labels, **lists})
    assert splits_of(path) == ("train", "val")
    assert boxes_of(path, "train") == [MIDDLE_BOX]
    assert boxes_of(path / "data.yaml", "val") == [MIDDLE_BOX] * 2
    dataset = read_dataset(path)
    assert [Path(one).name for one in dataset.paths] == ["a.jpg", "b.jpg", "c.jpg"]
    assert any("1 image without a file of labels" in note for note in dataset.notes)


def test_roboflows_export_has_a_folder_for_each_split(add_images, add_texts):
    add_images("train/images/a.jpg", "valid/images/b.jpg")
    yaml = YAML + "train: ../train/images\nval: ../valid/images\ntest: ../test/images\n"
    yaml += "\nroboflow:\n  workspace: w\n  license: MIT\n"
    texts = {"train/labels/a.txt": MIDDLE, "valid/labels/b.txt": MIDDLE, "README.roboflow.txt": "r"}
    path = add_texts({"data.yaml": yaml, **texts})
    assert splits_of(path) == ("train", "val")
    assert len(read_dataset(path)) == 2
    (path / "data.yaml").unlink()
    assert splits_of(path) == ("train", "valid")
    assert read_dataset(path).class_names == ("0",)


@pytest.mark.parametrize("home", ["obj_train_data", "images", "."])
def test_darknet_lists_images_as_seen_from_its_own_folder(add_images, add_texts, home):
    add_images(f"{home}/a.jpg", f"{home}/b.jpg")
    data = "classes = 2\ntrain = data/train.txt\nvalid=data/gone.txt\nnames = data/obj.names\n"
    texts = {f"{home}/a.txt": MIDDLE, "train.txt": f"data/{home}/a.jpg\ndata/{home}/b.jpg\n"}
    path = add_texts(
        {"obj.data": data + "backup = backup/\n", "obj.names": "cat\ndog\n\n", **texts}
    )
    dataset = read_dataset(path, "train")
    assert dataset.class_names == ("cat", "dog")
    assert dataset.ends.tolist() == [1, 1]


def test_texts_beside_images_need_no_other_file(add_images, add_texts):
    add_images("a.JPG", "sub/b.png")
    path = add_texts({"a.txt": MIDDLE, "sub/b.txt": "3 0.5 0.5 1 1\n", "notes.txt": "taken in May"})
    dataset = read_dataset(path)
    assert dataset.class_names == ("0", "1", "2", "3")
    assert len(dataset.truths) == 2
    add_texts({"classes.txt": "a\nb\nc\nd\n"})
    assert read_dataset(path).class_names == ("a", "b", "c", "d")


def test_folders_of_splits_below_images_and_labels(add_images, add_texts):
    add_images("images/train2017/a.jpg", "images/val2017/b.jpg")
    path = add_texts({"labels/train2017/a.txt": MIDDLE, "labels/val2017/b.txt": ""})
    assert splits_of(path) == ("train2017", "val2017")
    assert boxes_of(path, "val") == []
    assert boxes_of(path, "train") == [MIDDLE_BOX]


def test_labels_alone_find_images_elsewhere(add_images, add_texts, tmp_path):
    add_images("else/a.jpg")
    path = add_texts({"set/labels/a.txt": MIDDLE, "set/classes.txt": "cat\n"}) / "set"
    dataset = read_dataset(path, None, ReadingOptions(images=tmp_path / "else"))
    assert dataset.truths.boxes.tolist() == [MIDDLE_BOX]
    with pytest.raises(DataError, match=r"classes\.txt"):
        read_dataset(path)  # fractions of unknown sizes


# Classes.


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ("names: ['no', yes, 1e3, Straße 🚲]", ("no", "yes", "1e3", "Straße 🚲")),
        ("names:\n  1: b\n  0: a\n", ("a", "b")),
        ("names:\n- a b\n- c,d\n", ("a b", "c,d")),
        ("nc: 2", ("0",)),
    ],
)
def test_names_are_text(add_images, add_texts, names, expected):
    add_images("images/a.jpg")
    path = add_texts({"data.yaml": f"train: images\n{names}", "labels/a.txt": MIDDLE})
    assert read_dataset(path).class_names == expected


@pytest.mark.parametrize(
    ("yaml", "message"),
    [
        (
            "names: !!python/object/apply:os.system [ls]\ntrain: i",
            r"line 1: cannot be read as YAML",
        ),
        ("names: &a [x]\nnc: *a\ntrain: i", "has aliases"),
        ("names: [a\ntrain: images", "line 2: cannot be read as YAML"),
        ("names: {0: a, 2: b}\ntrain: images", "the keys of names are not 0, 1, 2"),
        ("names: [a, a]\ntrain: images", "class 1 is called 'a'"),
        ("names: [[a]]\ntrain: images", "an entry that is no text"),
        ("names: {a: b}\nval: images", "the keys of names"),
        ("names: [a, b]\nnc: 3\ntrain: images", "states 3 classes and names 2"),
        ("names: [a]\ntrain: ../gone\nval: gone", "none of its folders and lists"),
        ("[\nnames: a,\ntrain: x]", "has no keys"),
        ("names: " + "[" * 5000 + "\ntrain: i", "nested too deeply|cannot be read as YAML"),
    ],
)
def test_a_wrong_yaml_file_is_named(add_images, add_texts, yaml, message):
    add_images("images/a.jpg")
    path = add_texts({"data.yaml": yaml, "labels/a.txt" if "gone" not in yaml else "b": MIDDLE})
    with pytest.raises(DataError, match=rf"data\.yaml.*({message})"):
        read_dataset(path)


# Lines.


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("2 0.5 0.5 0.1 0.1", "class 2; data.yaml names 0 to 1"),
        ("-1 0.5 0.5 0.1 0.1", "class -1; expected a whole number from 0"),
        ("0.5 0.5 0.5 0.1 0.1", "class 0.5; expected a whole number"),
        ("cat 0.5 0.5 0.1 0.1", "'cat' is no number"),
        ("0 0.5 0.5 nan 0.1", "'nan' is no number"),
        ("0 0.5 0.5 0.1", "has 4 columns"),
        ("0 0.5 0.5 0.1 0.1 0.93", "has 6 columns.*score of a detection"),
        ("0 20 15 8 6", "20 is no fraction of the image"),
        ("0 0.5 0.5 -0.1 0.1", "-0.1 is no fraction"),
    ],
)
def test_a_wrong_line_is_named(add_images, add_texts, line, message):
    add_images("images/a.jpg")
    path = add_texts({"data.yaml": YAML + "train: images", "labels/a.txt": f"{MIDDLE}\n{line}\n"})
    with pytest.raises(DataError, match=rf"labels/a\.txt, line 3: .*{message}"):
        read_dataset(path)


def test_a_polygon_becomes_the_box_around_it(add_images, add_texts):
    add_images("images/a.jpg")
    triangle = "0 0.1 0.2 0.5 0.9 0.3 0.1\n"
    path = add_texts({"data.yaml": YAML + "train: images", "labels/a.txt": triangle})
    dataset = read_dataset(path)
    assert dataset.truths.boxes.tolist() == [pytest.approx([4, 3, 20, 27])]
    assert any("bounding box of 1 polygon" in note for note in dataset.notes)


def test_keypoints_behind_a_box_are_passed_over(add_images, add_texts):
    add_images("images/a.jpg")
    yaml = YAML + "kpt_shape: [2, 3]\ntrain: images"
    path = add_texts({"data.yaml": yaml, "labels/a.txt": MIDDLE.strip() + " .1 .1 2 .2 .2 1"})
    assert boxes_of(path) == [MIDDLE_BOX]


def test_a_label_without_its_image_is_named(add_images, add_texts):
    add_images("images/a.jpg")
    texts = {"labels/a.txt": MIDDLE, "labels/b.txt": MIDDLE}
    path = add_texts({"data.yaml": YAML + "train: images", **texts})
    with pytest.raises(DataError, match=r"labels/b\.txt: there is no image 'b'"):
        read_dataset(path)


def test_a_listed_image_that_is_missing_is_named(add_images, add_texts):
    add_images("images/a.jpg")
    texts = {"labels/a.txt": MIDDLE, "train.txt": "images/a.jpg\nimages/b.jpg\n"}
    path = add_texts({"data.yaml": YAML + "train: train.txt", **texts})
    with pytest.raises(DataError, match=r"train\.txt, line 2: there is no image 'b\.jpg'"):
        read_dataset(path)


def test_nothing_outside_the_folder_is_read(add_images, add_texts, tmp_path):
    add_images("secret/images/a.jpg", "set/images/b.jpg")
    yaml = YAML + f"path: {tmp_path}/secret\ntrain: ../secret/images\nval: images\n"
    texts = {"secret/labels/a.txt": MIDDLE, "set/labels/b.txt": "", "set/data.yaml": yaml}
    dataset = read_dataset(add_texts(texts) / "set")
    assert {Path(one).name for one in dataset.paths} == {"b.jpg"}
    assert any("is not in its folder" in note for note in dataset.notes)


def test_other_texts_are_not_recognised(add_images, add_texts):
    add_images("a.jpg", "images/a.jpg")
    kitti = "Car 0.0 0 -1.57 599.41 156.40 629.75 189.25 2.85 2.63 12.34 0.47 1.49 69.44 -1.56\n"
    path = add_texts({"a.txt": "1 2 3", "labels/a.txt": kitti, "x.yaml": "a: 1", "y.data": "a = b"})
    assert not yolo.FORMAT.recognise(path)


# Real data, and writing.


def test_darknets_export_of_voc_has_vocs_boxes(expect_vocs_boxes):
    expect_vocs_boxes("yolo", tolerance=5e-4)  # fractions of six decimals


def test_splits_get_the_names_that_ultralytics_knows(add_images, add_texts, tmp_path):
    add_images("from/images/a.jpg", "from/images/b.jpg")
    texts = {
        "from/training.csv": "images/a.jpg,1,2,3,4,cat\n",
        "from/valid.csv": "images/b.jpg,,,,,\n",
    }
    yolo.FORMAT.write(
        read_dataset(add_texts(texts) / "from"),
        tmp_path / "to",
        splits={"training": [0], "valid": [1]},
    )
    yaml = (tmp_path / "to/data.yaml").read_text()
    assert re.findall(r"^(\w+): \w+\.txt$", yaml, re.MULTILINE) == ["train", "val"]
    assert (tmp_path / "to/val.txt").read_text() == "./images/b.jpg\n"
    assert (tmp_path / "to/labels/b.txt").read_text() == ""
