"""VIA's projects and regions, as JSON and CSV."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path
from typing import Any

import pytest

from singleshot.data.formats import via
from singleshot.data.opening import read_dataset, splits_of
from singleshot.errors import DataError

RECT = {"name": "rect", "x": 1, "y": 2, "width": 10, "height": 20}
CAT = {"class": "cat"}
HEADER = [
    *("#filename", "file_size", "file_attributes", "region_count", "region_id"),
    *("region_shape_attributes", "region_attributes"),
]


def region(shape: Any = RECT, attributes: Any = CAT) -> dict[str, Any]:
    return {"shape_attributes": shape, "region_attributes": attributes}


def image(name: str, *regions: Any) -> dict[str, Any]:
    return {"filename": name, "size": 77, "regions": [*regions], "file_attributes": {}}


def text(*images: dict[str, Any]) -> str:
    return json.dumps({f"{one['filename']}{one['size']}": one for one in images})


@pytest.fixture
def read(add_images, add_texts):
    """Write the regions of `a.jpg`, which is 40 wide and 30 high, and read them."""

    def write_and_read(*regions: Any) -> Any:
        add_images("a.jpg")
        return read_dataset(add_texts({"via_region_data.json": text(image("a.jpg", *regions))}))

    return write_and_read


@pytest.mark.parametrize(
    ("shape", "box"),
    [
        (RECT, [1, 2, 11, 22]),
        ({"name": "circle", "cx": 10, "cy": 12, "r": 5}, [5, 7, 15, 17]),
        ({"name": "ellipse", "cx": 10, "cy": 12, "rx": 6, "ry": 2}, [4, 10, 16, 14]),
        (
            {"name": "ellipse", "cx": 10, "cy": 12, "rx": 6, "ry": 2, "theta": math.pi / 2},
            [8, 6, 12, 18],
        ),
        ({"name": "polygon", "all_points_x": [9, 11, 1], "all_points_y": [2, 5, 9]}, [1, 2, 11, 9]),
        ({**RECT, "x": "1.5"}, [1.5, 2, 11.5, 22]),
    ],
)
def test_the_box_of_a_shape(read, shape, box):
    dataset = read(region(shape))
    assert dataset.truths.boxes.tolist() == [pytest.approx(box)]
    assert dataset.class_names == ("cat",)


def test_the_box_of_a_turned_ellipse_touches_it(read):
    shape = {"name": "ellipse", "cx": 20, "cy": 15, "rx": 9, "ry": 4, "theta": 0.7}
    turns = [2 * math.pi * step / 10_000 for step in range(10_000)]
    xs = [20 + 9 * math.cos(0.7) * math.cos(t) - 4 * math.sin(0.7) * math.sin(t) for t in turns]
    ys = [15 + 9 * math.sin(0.7) * math.cos(t) + 4 * math.cos(0.7) * math.sin(t) for t in turns]
    box = [min(xs), min(ys), max(xs), max(ys)]
    assert read(region(shape)).truths.boxes.tolist() == [pytest.approx(box, abs=1e-5)]


def test_points_and_polylines_are_left_out_and_counted(read):
    line = {"name": "polyline", "all_points_x": [1, 9], "all_points_y": [1, 9]}
    dataset = read(region(), region({"name": "point", "cx": 3, "cy": 4}), region(line))
    assert len(dataset.truths) == 1
    assert any("left out 2 shapes that are no boxes" in note for note in dataset.notes)


@pytest.mark.parametrize(
    ("attributes", "name"),
    [
        ({"class": " cat "}, "cat"),
        ({"animal": "cat"}, "cat"),
        ({"colour": "grey", "Label": "cat"}, "cat"),
        ({"name": "Tom", "class": "cat"}, "cat"),
        ({"class": {"cat": True, "dog": False}}, "cat"),
        ({}, "object"),
    ],
)
def test_the_class_is_an_attribute(read, attributes, name):
    assert read(region(attributes=attributes)).class_names == (name,)


def test_of_several_check_boxes_the_first_is_the_class(read):
    dataset = read(region(attributes={"class": {"dog": True, "cat": True}}), region())
    assert dataset.class_names == ("cat", "dog")
    assert dataset.truths.labels.tolist() == [1, 0]
    assert any("first value of 'class' of 1 region with several" in one for one in dataset.notes)


def test_attributes_of_which_none_is_the_class_are_refused(read):
    attributes = {"colour": "grey", "breed": "tabby"}
    with pytest.raises(DataError, match=r"attributes .colour., .breed.; name the one .* .class."):
        read(region(attributes=attributes))


def test_flags_are_kept(read, tmp_path):
    flags = [{"Difficult": "1"}, {"crowd": {"yes": True}}, {"difficult": {"yes": False}}]
    dataset = read(*(region(attributes={**CAT, **flag}) for flag in flags))
    via.FORMAT.write(dataset, tmp_path / "to")
    again = read_dataset(tmp_path / "to")
    assert again.truths.difficult.tolist() == [True, False, False]
    assert again.truths.crowd.tolist() == [False, True, False]


def test_a_project_and_version_1_have_the_same_images(add_images, add_texts):
    add_images("project/a.jpg", "one/a.jpg")
    entry = image("a.jpg", region())
    old = {**entry, "regions": {"0": region()}, "fileref": "", "base64_img_data": ""}
    project = {"_via_settings": {}, "_via_img_metadata": {"a.jpg77": entry}, "_via_attributes": {}}
    folder = add_texts({"project/p.json": json.dumps(project), "one/o.json": text(old)})
    for name in ("project", "one"):
        assert read_dataset(folder / name).truths.boxes.tolist() == [[1, 2, 11, 22]]


def test_a_table_is_read_where_there_is_no_json(add_images, tmp_path):
    add_images("a.jpg", "b.jpg")
    shape, attributes = json.dumps(RECT), json.dumps(CAT)
    rows = [
        ["a.jpg", 77, "{}", 2, 0, shape, attributes],
        ["a.jpg", 77, "{}", 2, 1, json.dumps({**RECT, "x": 5}), attributes],
        ["b.jpg", 77, "{}", 0, 0, "{}", "{}"],
    ]
    with (tmp_path / "via_region_data.csv").open("w", newline="") as file:
        csv.writer(file).writerows([HEADER, *rows])
    dataset = read_dataset(tmp_path)
    assert dataset.truths.boxes.tolist() == [[1, 2, 11, 22], [5, 2, 15, 22]]
    assert [Path(path).name for path in dataset.paths] == ["a.jpg", "b.jpg"]
    assert read_dataset(tmp_path / "via_region_data.csv").class_names == ("cat",)
    (tmp_path / "both.json").write_text(text(image("a.jpg", region())))
    assert splits_of(tmp_path) == ("both",)


def test_folders_are_splits_and_an_image_without_regions_is_one(add_images, add_texts):
    add_images("train/a.jpg", "val/b.jpg")
    folder = add_texts(
        {
            "train/via_region_data.json": text(image("a.jpg", region())),
            "val/via_region_data.json": text(image("b.jpg")),
        }
    )
    assert set(splits_of(folder)) == {"train", "val"}
    dataset = read_dataset(folder, "val")
    assert (len(dataset), len(dataset.truths)) == (1, 0)


@pytest.mark.parametrize("stated", ["https://example.org/cats/a%20b.jpg?x=1", "a b.jpg"])
def test_an_address_is_a_name(add_images, add_texts, stated):
    add_images("a b.jpg")
    folder = add_texts({"via.json": text(image(stated, region()))})
    assert [Path(path).name for path in read_dataset(folder).paths] == ["a b.jpg"]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (region({**RECT, "width": "wide"}), "width = .*a number"),
        (region({"x": 1}), "has no 'name'"),
        (region({**RECT, "name": "star"}), 'name = "star"; expected rect, polygon'),
        (region({"name": "polygon", "all_points_x": [1], "all_points_y": [2]}), "two or more"),
        (region({"name": "polygon", "all_points_x": 1, "all_points_y": [2, 3]}), "two or more"),
        (region(attributes={"class": ""}), 'class = ""; expected the class'),
        (region(attributes={"class": {"cat": False}}), "expected the class"),
        (region(attributes={**CAT, "difficult": "perhaps"}), "difficult = .*0, 1"),
        (region(attributes=[]), "expected an object"),
        ("region", "expected an object"),
    ],
)
def test_a_wrong_region_is_named(read, wrong, message):
    with pytest.raises(DataError, match=rf"image 1 \(a\.jpg\), region 2.*{message}"):
        read(region(), wrong)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"a": {"size": 1, "file_attributes": {}}}, "image 1: has no 'filename'"),
        ({"a": image("a.jpg") | {"regions": 7}}, "image 1: regions = 7; expected a list"),
        ({"_via_settings": {}}, "has no '_via_img_metadata'"),
        ({"_via_settings": {}, "_via_img_metadata": []}, r"expected an object"),
    ],
)
def test_a_wrong_file_is_named(add_images, add_texts, content, message):
    add_images("a.jpg")
    with pytest.raises(DataError, match=rf"via\.json.*{message}"):
        read_dataset(add_texts({"via.json": json.dumps(content)}))


@pytest.mark.parametrize("cells", [["a.jpg"], ["a.jpg", 7, "{}", 1, 0, "{", "{}"]])
def test_a_wrong_row_is_named(add_images, tmp_path, cells):
    add_images("a.jpg")
    with (tmp_path / "via.csv").open("w", newline="") as file:
        csv.writer(file).writerows([HEADER, cells])
    with pytest.raises(DataError, match=r"via\.csv, line 2: .*expected (7|attributes as JSON)"):
        read_dataset(tmp_path)
