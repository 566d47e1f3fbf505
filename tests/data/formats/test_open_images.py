from __future__ import annotations

from pathlib import Path

import pytest

from singleshot.data.formats import open_images
from singleshot.data.opening import read_dataset, splits_of
from singleshot.errors import DataError

HEADER = ",".join(open_images.COLUMNS) + "\n"
# Corners [4, 6, 20, 24] in an image of 40 by 30 pixels.
BOX = "0.1,0.5,0.2,0.8"


def row(image: str = "0001eeaf4aed83f9", label: str = "/m/01g317", box: str = BOX, group=0) -> str:
    return f"{image},xclick,{label},1,{box},0,0,{group},0,0\n"


def test_fractions_of_the_image_become_pixels_and_mids_names(add_images, add_texts):
    add_images("train/0001eeaf4aed83f9.jpg")
    tables = {"train-annotations-bbox.csv": HEADER + row() + row(group=1)}
    tables["class-descriptions-boxable.csv"] = '/m/011k07,Tortoise\n/m/01g317,"Person, any"\n'
    dataset = read_dataset(add_texts(tables))
    assert dataset.truths.boxes.tolist() == [pytest.approx([4, 6, 20, 24])] * 2
    assert dataset.truths.crowd.tolist() == [False, True]
    assert dataset.class_names == ("Person, any",)


def test_files_are_splits_and_classes_are_in_the_order_of_their_descriptions(add_images, add_texts):
    add_images("train/a.jpg", "validation/b.jpg", "test/c.jpg")
    tables = {"train-annotations-bbox.csv": HEADER + row("a", "/m/2")}
    tables["validation-annotations-bbox.csv"] = HEADER + row("b", "/m/3")
    tables["test-annotations-bbox.csv"] = HEADER + row("c", "/m/9")
    tables["class-descriptions-boxable.csv"] = "/m/1,Ant\n/m/3,Zebra\n/m/2,Cat\n"
    path = add_texts(tables)
    assert splits_of(path) == ("test", "train", "validation")
    assert read_dataset(path, "train").class_names == ("Zebra", "Cat", "/m/9")
    assert Path(read_dataset(path, "test").paths[0]).name == "c.jpg"


def test_images_without_boxes_are_those_of_the_list(add_images, add_texts):
    add_images("images/a.jpg", "images/b.jpg")
    images = "ImageID,Subset,OriginalURL,Rotation\nb,train,https://x/a_b,0.0\na,train,,\n"
    tables = {"train-annotations-bbox.csv": HEADER + row("a")}
    path = add_texts({**tables, "train-images-boxable-with-rotation.csv": images})
    assert [Path(one).name for one in read_dataset(path).paths] == ["b.jpg", "a.jpg"]
    assert read_dataset(path).ends.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (row("a", box="4,20,6,24"), "expected fractions of the image, 0 to 1"),
        (row("a", box="0.1,,0.2,0.8"), "xmax ''.*expected fractions"),
        (row("a", ""), "a box without LabelName"),
        (row(""), "has no ImageID"),
        ("a,xclick,cat\n", "has 3 columns; expected 13"),
        (row("gone"), "there is no image 'gone'"),
    ],
)
def test_a_wrong_row_is_named(add_images, add_texts, wrong, message):
    add_images("a.jpg")
    path = add_texts({"train-annotations-bbox.csv": HEADER + row("a") + wrong})
    with pytest.raises(DataError, match=rf"train-annotations-bbox\.csv, line 3: .*{message}"):
        read_dataset(path)


def test_wrong_descriptions_are_named(add_images, add_texts):
    add_images("a.jpg")
    tables = {"t.csv": HEADER + row("a"), "class-descriptions.csv": "/m/1,Ant\n/m/2\n"}
    with pytest.raises(DataError, match=r"class-descriptions\.csv, line 2: .*a MID and a name"):
        read_dataset(add_texts(tables))


def test_decimal_commas_and_names_with_suffix_of_a_real_export(expect_vocs_boxes):
    expect_vocs_boxes("openimages", tolerance=1e-6)
