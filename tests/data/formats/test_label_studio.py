"""Label Studio's JSON and JSON_MIN."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from singleshot.data.formats import label_studio
from singleshot.data.opening import read_dataset, splits_of
from singleshot.errors import DataError

VALUE = {"x": 25, "y": 10, "width": 50, "height": 20, "rotation": 0}


def result(kind: str = "rectanglelabels", **value: Any) -> dict[str, Any]:
    """A result on an image of 40 by 30 pixels."""
    box = {} if "points" in value else VALUE
    return {
        "id": "abc",
        "type": kind,
        "from_name": "label",
        "to_name": "image",
        "original_width": 40,
        "original_height": 30,
        "image_rotation": 0,
        "value": {**box, kind: ["cat"], **value},
    }


def task(image: str, *annotations: Sequence[Mapping[str, Any]], **more: Any) -> dict[str, Any]:
    made = [{"completed_by": 1, "was_cancelled": False, "result": [*one]} for one in annotations]
    return {"id": 7, "data": {"image": image}, "annotations": made, **more}


@pytest.fixture
def read(tmp_path):
    """Write an export and images of 40 by 30 pixels, and read them."""

    def write_and_read(*tasks: Any, images: tuple[str, ...] = ("a.jpg",)) -> Any:
        for name in images:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (40, 30)).save(tmp_path / name)
        (tmp_path / "project-1.json").write_text(json.dumps(tasks))
        return read_dataset(tmp_path)

    return write_and_read


def test_percents_become_pixels(read):
    dataset = read(task("a.jpg", [result()]))
    assert dataset.truths.boxes.tolist() == [[10, 3, 30, 9]]
    assert dataset.class_names == ("cat",)
    assert dataset.sizes.tolist() == [[30, 40]]
    assert dataset.description.startswith("Label Studio layout")


@pytest.mark.parametrize(
    ("source", "file"),
    [
        ("/data/upload/1/d1e2f3a4-my%20cat.jpg", "images/d1e2f3a4-my cat.jpg"),
        ("/data/upload/1/d1e2f3a4-my%20cat.jpg", "images/my cat.jpg"),
        ("/data/upload/d1e2f3a4-a.jpg", "a.jpg"),
        ("/data/local-files/?d=cam1/a%20b.jpg", "cam1/a b.jpg"),
        ("/data/local-files/?d=elsewhere/cam1/a.jpg", "deep/cam1/a.jpg"),
        ("https://example.org/bucket/a.jpg?signature=a/b.png", "images/a.jpg"),
        ("s3://bucket/cam1/a%2B1.jpg", "images/a+1.jpg"),
        ("C:\\data\\a.jpg", "a.jpg"),
        ("100%.jpg", "100%.jpg"),
    ],
)
def test_images_are_found_by_what_the_task_states(read, tmp_path, source, file):
    dataset = read(task(source, [result()]), images=(file,))
    assert dataset.paths.tolist() == [str(tmp_path / file)]


def test_the_name_with_the_prefix_is_preferred(read, tmp_path):
    names = ("images/d1e2f3a4-a.jpg", "images/a.jpg")
    dataset = read(task("/data/upload/1/d1e2f3a4-a.jpg", [result()]), images=names)
    assert dataset.paths.tolist() == [str(tmp_path / names[0])]


def test_of_several_annotations_the_first_valid_one_counts(read):
    cancelled = {"completed_by": 1, "was_cancelled": True, "result": [result(), result()]}
    tasks = task("a.jpg", [result()], [result(), result()], predictions=[{"result": []}])
    tasks["annotations"].insert(0, cancelled)
    dataset = read(tasks, task("b.jpg"), images=("a.jpg", "b.jpg"))
    assert dataset.ends.tolist() == [1]
    notes = "\n".join(dataset.notes)
    for note in (
        "ignored 1 prediction of",
        "left out 1 annotation that were cancelled",
        "took the first annotation of 1 task with several",
        "left out 1 image without annotation",
    ):
        assert note in notes


def test_an_empty_annotation_is_an_image_without_objects(read):
    assert read(task("a.jpg", [])).ends.tolist() == [0]


def test_polygons_are_boxed_and_other_results_counted(read):
    polygon = result("polygonlabels", points=[[10, 10], [50, 20], [30, 90]])
    other = result("choices"), result("keypointlabels")
    dataset = read(task("a.jpg", [polygon, *other]))
    torch.testing.assert_close(
        dataset.truths.boxes, torch.tensor([[4, 3, 20, 27]], dtype=torch.float64)
    )
    notes = "\n".join(dataset.notes)
    assert "1 result of type choices; left out 1 result of type keypointlabels" in notes


def test_a_rectangle_has_the_label_of_its_region_once(read):
    dataset = read(
        task("a.jpg", [result("rectangle", rectangle=None), result("labels"), result("textarea")])
    )
    assert dataset.truths.boxes.tolist() == [[10, 3, 30, 9]]
    assert dataset.class_names == ("cat",)


def test_a_box_rotated_about_its_corner_becomes_the_box_around(read):
    # 20 by 6 pixels from (20, 3), turned clockwise by 90 degrees: to the left and down.
    dataset = read(task("a.jpg", [result(x=50, rotation=90)]))
    torch.testing.assert_close(
        dataset.truths.boxes, torch.tensor([[14, 3, 20, 23]], dtype=torch.float64)
    )


def test_notes_of_a_region_are_flags(read):
    crowd, hard = result(), result()
    crowd["meta"], hard["meta"] = {"text": ["crowd"]}, {"text": ["difficult"]}
    truths = read(task("a.jpg", [crowd, hard])).truths
    assert truths.crowd.tolist() == [True, False]
    assert truths.difficult.tolist() == [False, True]


def test_json_min_has_an_entry_for_each_annotation(read):
    box = {**VALUE, "rectanglelabels": ["cat"], "original_width": 40, "original_height": 30}
    entry = {"image": "/data/upload/1/a.jpg", "id": 7, "annotator": 1, "annotation_id": 3}
    dataset = read(
        {**entry, "label": [box]},
        {**entry, "annotation_id": 4, "label": [box, box]},
        {**entry, "id": 8, "image": "/data/upload/1/b.jpg"},
        images=("a.jpg", "b.jpg"),
    )
    assert dataset.ends.tolist() == [1, 1]
    assert dataset.truths.boxes.tolist() == [[10, 3, 30, 9]]
    assert dataset.notes == ("took the first annotation of 1 task with several",)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (task("a.jpg", [result(x="left")]), 'result 1: x = "left"; expected a number'),
        (task("a.jpg", [result(rectanglelabels=[])]), "result 1: has no label"),
        (task("a.jpg", [{**result(), "image_rotation": 90}]), "image_rotation = 90; expected 0"),
        (task("a.jpg", [result("polygonlabels", points=[[1]])]), "points = "),
        (task("", [result()]), "task 2: has no image"),
        (task("data:image/png;base64,AAAA", [result()]), "inside the JSON"),
        (3, "task 2: is 3; expected an object"),
        ({"data": {"image": "a.jpg"}, "annotations": {}}, "annotations = {}; expected a list"),
    ],
)
def test_a_wrong_entry_is_named(read, wrong, message):
    with pytest.raises(DataError) as caught:
        read(task("a.jpg", [result()]), wrong)
    assert message in str(caught.value)


def test_each_file_is_a_split_and_other_lists_are_not_its_own(read, tmp_path):
    read(task("a.jpg", [result()]))
    (tmp_path / "other.json").write_text('[{"image": "a.jpg", "annotations": []}]')
    assert splits_of(tmp_path) == ("project-1",)
    assert not label_studio.FORMAT.recognise(tmp_path / "other.json")


def test_names_written_are_escaped(read, tmp_path):
    dataset = read(task("a%20b#1.jpg", [result()]), images=("a b#1.jpg",))
    label_studio.FORMAT.write(dataset, tmp_path / "to")
    again = read_dataset(tmp_path / "to")
    assert [Path(path).name for path in again.paths] == ["a b#1.jpg"]
