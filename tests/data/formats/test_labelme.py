from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from singleshot.data.formats import labelme
from singleshot.data.opening import read_dataset, splits_of
from singleshot.errors import DataError

RECTANGLE = {"label": "cat", "points": [[1, 2], [11, 22]], "shape_type": "rectangle"}


def text(*shapes: Any, **more: Any) -> str:
    content = {"version": "5.4.1", "flags": {}, "shapes": [*shapes], "imagePath": "a.jpg"}
    content |= {"imageData": "x" * 200_000, "imageHeight": 30, "imageWidth": 40}
    return json.dumps(content | more)


@pytest.mark.parametrize(
    ("shape", "box"),
    [
        ({}, [1, 2, 11, 22]),
        ({"points": [[11, 2.5], [1, 22]]}, [1, 2.5, 11, 22]),
        ({"label": " cat "}, [1, 2, 11, 22]),
        ({"shape_type": None}, [1, 2, 11, 22]),
        ({"shape_type": "circle", "points": [[10, 12], [13, 16]]}, [5, 7, 15, 17]),
        ({"shape_type": "polygon", "points": [[9, 2], [11, 5], [1, 9]]}, [1, 2, 11, 9]),
        ({"shape_type": "mask", "mask": "aWdub3JlZA=="}, [1, 2, 11, 22]),
    ],
)
def test_the_box_of_a_shape(add_images, add_texts, shape, box):
    add_images("a.jpg")
    dataset = read_dataset(add_texts({"a.json": text({**RECTANGLE, **shape})}))
    assert dataset.truths.boxes.tolist() == [box]
    assert dataset.class_names == ("cat",)


def test_points_and_lines_are_left_out_and_counted(add_images, add_texts):
    add_images("a.jpg")
    others = [{**RECTANGLE, "shape_type": kind} for kind in ("point", "line", "linestrip")]
    dataset = read_dataset(add_texts({"a.json": text(RECTANGLE, *others)}))
    assert len(dataset.truths) == 1
    assert any("left out 3 shapes that are no boxes" in note for note in dataset.notes)


@pytest.mark.parametrize(
    "path", ["..\\images\\b.jpg", "../images/b.jpg", "C:\\gone\\b.jpg", "/gone/b.jpg", "b.jpg"]
)
def test_the_image_is_where_image_path_points(add_images, add_texts, path):
    add_images("images/b.jpg")
    folder = add_texts({"labels/a.json": text(RECTANGLE, imagePath=path)})
    assert [Path(one).name for one in read_dataset(folder).paths] == ["b.jpg"]


def test_a_stale_name_gives_way_to_that_of_the_file(add_images, add_texts):
    add_images("new.png")
    path = add_texts({"new.json": text(RECTANGLE, imagePath="old.jpg")})
    assert [Path(one).name for one in read_dataset(path).paths] == ["new.png"]


def test_a_path_out_of_the_data_set_is_not_followed(add_images, add_texts):
    add_images("secret/a.jpg", "set/other.jpg")
    path = add_texts({"set/a.json": text(RECTANGLE, imagePath="../secret/a.jpg")}) / "set"
    dataset = read_dataset(path)
    assert dataset.notes[0].startswith("found no images")


def test_folders_alone_are_splits(add_images, add_texts):
    add_images("train/a.jpg", "test/a.jpg")
    dog = {**RECTANGLE, "label": "dog"}
    path = add_texts({"train/a.json": text(RECTANGLE), "test/a.json": text(dog)})
    assert splits_of(path) == ("test", "train")
    assert read_dataset(path, "test").class_names == ("cat", "dog")
    assert [Path(one).parent.name for one in read_dataset(path, "test").paths] == ["test"]
    add_texts({"test/a.json": text({**dog, "points": [[1]]})})
    assert len(read_dataset(path, "train")) == 1
    with pytest.raises(DataError, match=r"test/a\.json: shape 1"):
        read_dataset(path, "test")


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ({"label": " "}, "shape 2: label"),
        ({"points": [[1, 2]]}, "shape 2: points .*two corners"),
        ({"points": [[1, 2], [3, None]]}, r"shape 2: a point is \[3, null\]"),
        ({"points": "12"}, "shape 2: points"),
        ({"shape_type": "circle", "points": [[1, 2]]}, "shape 2: points .*centre"),
    ],
)
def test_a_wrong_shape_is_named(add_images, add_texts, shape, message):
    add_images("a.jpg")
    path = add_texts({"a.json": text(RECTANGLE, {**RECTANGLE, **shape})})
    with pytest.raises(DataError, match=rf"a\.json: {message}"):
        read_dataset(path)


def test_the_image_as_text_is_never_read(add_images, add_texts):
    add_images("a.jpg")
    path = add_texts({"a.json": text(RECTANGLE, imageData="../../etc/passwd")})
    assert len(read_dataset(path)) == 1


def test_other_json_is_not_recognised(add_texts):
    path = add_texts({"a.json": '{"version": 1, "name": "shapes"}', "b.json": "[]", "c.json": "{"})
    assert not labelme.FORMAT.recognise(path)


def test_flags_are_kept(add_images, add_texts, tmp_path):
    add_images("from/a.jpg")
    shapes = [{**RECTANGLE, "flags": {"difficult": True}}, {**RECTANGLE, "flags": {"crowd": True}}]
    dataset = read_dataset(add_texts({"from/a.json": text(*shapes)}) / "from")
    labelme.FORMAT.write(dataset, tmp_path / "to")
    again = read_dataset(tmp_path / "to")
    assert again.truths.difficult.tolist() == [True, False]
    assert again.truths.crowd.tolist() == [False, True]


def test_an_image_of_several_splits_is_in_the_smallest(add_images, add_texts, tmp_path):
    add_images("from/a.jpg", "from/b.jpg")
    names = {f"from/{name}.json": text(RECTANGLE, imagePath=f"{name}.jpg") for name in "ab"}
    dataset = read_dataset(add_texts(names) / "from")
    labelme.FORMAT.write(dataset, tmp_path / "to", splits={"trainval": [0, 1], "val": [1]})
    assert sorted(path.name for path in (tmp_path / "to/val").iterdir()) == ["b.jpg", "b.json"]
    assert sorted(path.name for path in (tmp_path / "to").iterdir()) == ["trainval", "val"]


def test_labelmes_export_of_voc_has_vocs_boxes(expect_vocs_boxes):
    expect_vocs_boxes("labelme", tolerance=0)
