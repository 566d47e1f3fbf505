"""Annotations and layouts that users reported in public, on the inputs of `cases/data`.

Each of its folders has `expected.txt`. The kind that it stands for has tests of its own in
tests/data, on made inputs.
"""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
from command_line import singleshot

READ = {  # ground truth by class, and what is printed
    "coco-annotations-train-json": ({"crate": 1, "ball": 3}, ""),
    "coco-category-ids-as-strings": ({"crate": 1, "ball": 3}, ""),
    "coco-iscrowd-strings": ({"crate": 1, "ball": 3}, ""),
    "coco-one-image-entry-per-box": (
        {"crate": 5, "ball": 4},
        "joined the entries of 3 images listed more than once: p000.jpg, p001.jpg, p002.jpg",
    ),
    "voc-class-case": (
        {"Ball": 2, "ball": 1, "crate": 2},
        "class names that differ by case or spaces alone: 'Ball' and 'ball'",
    ),
    "voc-cvat-subfolders": ({"ball": 3, "crate": 1}, ""),
    "voc-images-folder": ({"ball": 3, "crate": 1}, ""),
    "voc-macos-resource-forks": ({"ball": 3}, ""),
    "voc-many-boxes-in-one-object": (
        {"ball": 5},
        "took each box of 1 object with several as an object: Annotations/p000.xml: object 1",
    ),
    "voc-polygon-only": ({"ball": 3}, "took the bounding box of 2 polygons: Annotations/p000.xml"),
    "voc-roboflow-export": ({"ball": 1, "crate": 3}, "split test of"),
    "voc-size-huge": ({"ball": 3}, ""),
    "voc-split-lines-with-suffix": ({"ball": 3, "crate": 1}, ""),
    "voc-swapped-corners": ({"ball": 3}, "put the corners of 1 box in order: Annotations/p000.xml"),
    "voc-unannotated-pictures": (
        {"ball": 3},
        "left out 2 images without annotation: p002.jpg, p003.jpg",
    ),
    "voc-xml-gbk": ({"ball": 1, "球": 2}, ""),
}
SPLITS = {
    "voc-cvat-subfolders": "default",
    "voc-roboflow-export": "test",
    "voc-split-lines-with-suffix": "train",
}
REFUSED = {  # place, value and remedy
    "coco-bbox-as-a-string": r'annotation 1: bbox = "\[34, 66, 34, 19\]"; expected \[left, top, wi',
    "coco-bbox-empty": r"annotation 1: bbox = \[\]; expected \[left, top, width, height\] in pixel",
    "coco-bbox-null": r"annotation 1: bbox = null; expected \[left, top, width, height\] in pixels",
    "coco-bbox-relative": "no corner of 3 boxes is beyond 1 pixel.*Then: --normalized",
    "coco-category-name-null": "category 1: name = null; expected text",
    "coco-id-beyond-int64": "image 1: id = 100000000000000000000; expected a whole number of 64 b",
}
TRAINED = {
    "coco-file-name-stale-absolute": "found 3 images by name: .*p000.jpg, p001.jpg, p002.jpg",
    "coco-file-name-windows": "found 3 images by name: .*p000.jpg, p001.jpg, p002.jpg",
    "coco-pictures-elsewhere": "found 3 images by name: .*p000.jpg, p001.jpg, p002.jpg",
}
SHORT = (
    *("--val-split", "none", "--set", "model.input=[64,64]"),
    *("--set", "training.steps=2", "--set", "training.batch_size=2"),
    *("--set", "training.workers=0"),
)


@pytest.fixture
def data(shared, tmp_path, monkeypatch):
    """A function that copies the data of a case."""
    folder = shared / "cases/data"
    if not folder.is_dir():
        pytest.skip(f"needs the reported cases: no {folder}")
    monkeypatch.chdir(tmp_path)
    Path("nothing.json").write_text("[]")

    def copy(case):
        shutil.copytree(folder / case / "data", tmp_path / "data")
        return "data/labels.json" if case == "coco-pictures-elsewhere" else "data"

    return copy


@pytest.mark.parametrize("case", READ)
def test_annotations_are_read_and_changes_printed(data, case):
    truths, line = READ[case]
    split = ("--split", SPLITS[case]) if case in SPLITS else ()
    done = singleshot("score", "nothing.json", data(case), *split, "--json")
    assert done.exit_code == 0, done.stderr
    per_class = json.loads(done.stdout)["per_class"]
    assert {name: numbers["truths"] for name, numbers in per_class.items()} == truths
    assert line in done.stderr


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_read_is_refused_with_place_value_and_remedy(data, case):
    done = singleshot("score", "nothing.json", data(case))
    assert done.exit_code == 2
    assert re.search(REFUSED[case], done.stderr), done.stderr


@pytest.mark.parametrize("case", TRAINED)
def test_images_with_stale_names_are_found(data, case):
    done = singleshot("train", "ssdlite320-lite0", "--data", data(case), "--run", "run", *SHORT)
    assert done.exit_code == 0, done.stderr
    assert re.search(TRAINED[case], done.stderr), done.stderr


def test_a_training_without_objects_is_refused(data):
    folder = data("coco-annotations-empty")
    done = singleshot("train", "ssdlite320-lite0", "--data", folder, "--run", "run", *SHORT)
    assert done.exit_code == 2
    assert "no objects to train on in 3 images" in done.stderr
    assert not Path("run").exists()


def test_spaces_around_a_class_name_are_no_part_of_it(data):
    done = singleshot("score", "nothing.json", data("coco-category-name-trailing-space"), "--json")
    assert set(json.loads(done.stdout)["per_class"]) == {"crate", "ball"}


def test_images_of_another_size_than_annotated_are_refused_or_their_boxes_scaled(data, shared):
    folder, model = data("voc-annotated-at-another-size"), str(shared / "cases/model")
    done = singleshot("evaluate", model, folder, "--protocol", "voc10")
    assert done.exit_code == 2
    assert "p000.xml: the image is 128 × 96 pixels (width × height) and annotated as 256 × 192" in (
        done.stderr
    )
    scaled = ("--rescale-boxes", "--protocol", "voc10", "--json")
    done = singleshot("evaluate", model, folder, *scaled)
    assert json.loads(done.stdout)["mean_average_precision"] == pytest.approx(0.79, abs=0.01)
