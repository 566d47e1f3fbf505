from __future__ import annotations

import json
from pathlib import Path

import pytest

from singleshot.data.formats import coco
from singleshot.data.opening import read_dataset
from singleshot.errors import DataError


def test_left_top_width_height_become_corners(add_coco, tmp_path):
    add_coco("train2017", {"bbox": [1.5, 2, 10, 20]})
    assert read_dataset(tmp_path).truths.boxes.tolist() == [[1.5, 2, 11.5, 22]]


def test_crowd_and_area_are_kept_and_a_missing_area_is_the_boxs(add_coco, tmp_path):
    add_coco("train2017", {"iscrowd": 1, "area": 12.5}, {"bbox": [0, 0, 4, 5]}, {"area": 0})
    truths = read_dataset(tmp_path).truths
    assert truths.crowd.tolist() == [True, False, False]
    assert truths.areas.tolist() == [12.5, 20, 81]


@pytest.mark.parametrize("key", ["ignore", "isgroupof"])
def test_ignored_objects_and_groups_are_regions(add_coco, tmp_path, key):
    add_coco("train2017", {key: 1}, {key: 0}, {"iscrowd": 0, key: 1})
    assert read_dataset(tmp_path).truths.crowd.tolist() == [True, False, True]


def test_an_image_of_unknown_size_that_is_not_there_clips_nothing(add_coco):
    file = add_coco("val", {"bbox": [0, 0, 900, 9]}, images_in=None)
    content = json.loads(file.read_text())
    content["images"] = [{"id": 10, "file_name": "10.jpg"}]
    file.write_text(json.dumps(content))
    dataset = read_dataset(file)
    assert dataset.sizes.tolist() == [[0, 0]]
    assert dataset.truths.boxes.tolist() == [[0, 0, 900, 9]]


def test_ids_keep_their_gaps_and_classes_their_order(add_coco, tmp_path):
    add_coco("train2017", {"category_id": 90}, categories={90: "toothbrush", 1: "person"})
    dataset = read_dataset(tmp_path)
    assert dataset.class_names == ("person", "toothbrush")
    assert dataset.category_ids == (1, 90)
    assert dataset.truths.labels.tolist() == [1]
    assert dataset.image_ids.tolist() == [10, 11]


def test_an_image_without_objects_is_ordinary(add_coco, tmp_path):
    add_coco("train2017", {})
    dataset = read_dataset(tmp_path)
    assert [len(dataset.truth(index)) for index in range(2)] == [1, 0]


def test_splits_are_named_by_their_files_and_the_year_may_be_left_out(add_coco, tmp_path):
    add_coco("train2017", num_images=3)
    add_coco("val2017", num_images=1, first_id=20)
    assert coco.FORMAT.splits(tmp_path) == ("train2017", "val2017")
    assert len(read_dataset(tmp_path, "train")) == 3
    assert len(read_dataset(tmp_path, "val2017")) == 1
    assert len(read_dataset(tmp_path)) == 4
    add_coco("train2014", first_id=30)
    with pytest.raises(DataError, match=r"more than one.*train2014, train2017"):
        read_dataset(tmp_path, "train")
    with pytest.raises(DataError, match=r"no split 'test'; it has train2014, train2017, val2017"):
        read_dataset(tmp_path, "test")


@pytest.mark.parametrize("folder", ["train2017", "images/train2017", "images", "."])
def test_images_are_found_in_all_usual_folders(add_coco, tmp_path, folder):
    add_coco("train2017", images_in=folder)
    assert read_dataset(tmp_path)[0].image.shape == (3, 30, 40)


def test_a_json_file_alone_can_be_read_without_its_images(add_coco):
    file = add_coco("val2017", {}, images_in=None)
    assert coco.FORMAT.splits(file) == ("val2017",)
    dataset = read_dataset(file, "val")
    assert len(dataset.truths) == 1
    assert dataset.notes[0].startswith("found no images of instances_val2017.json; looked in")
    with pytest.raises(DataError, match="there is no such image"):
        dataset[0]


def test_boxes_are_clipped_and_dropped_as_in_every_format(add_coco, tmp_path):
    add_coco(
        "train2017", {"bbox": [-5, 0, 50, 10]}, {"bbox": [1, 1, 0, 5]}, {"bbox": [50, 0, 5, 5]}
    )
    dataset = read_dataset(tmp_path)
    assert dataset.truths.boxes.tolist() == [[0, 0, 40, 10]]
    assert dataset.notes == (
        "dropped 1 box without area: 10 annotation 2",
        "dropped 1 box wholly outside the image: 10 annotation 3",
        "clipped 1 box reaching beyond the image: 10 annotation 1",
    )


def test_rounding_in_the_file_is_no_news_and_stays_as_annotated(add_coco, tmp_path):
    add_coco("train2017", {"bbox": [30.01, 0, 10.02, 5]})
    assert read_dataset(tmp_path).notes == ()
    assert read_dataset(tmp_path).truths.boxes[0, 2].item() == pytest.approx(40.03)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (
            {"bbox": [0, 0, float("nan"), 5]},
            r"annotation 2: bbox = \[0, 0, NaN, 5\]; expected \[left, top",
        ),
        (
            {"bbox": [0, 0, float("inf"), 5]},
            r"annotation 2: bbox = \[0, 0, Infinity, 5\]; expected \[left",
        ),
        (
            {"bbox": [0, 0, "ten", 5]},
            r'annotation 2: bbox = \[0, 0, "ten", 5\]; expected \[left, top',
        ),
        (
            {"bbox": [0, 0, 5]},
            r"annotation 2: bbox = \[0, 0, 5\]; expected \[left, top, width, height\]",
        ),
        ({"bbox": None}, "annotation 2: bbox = null; expected"),
        ({"bbox": "[0, 0, 5, 5]"}, r'annotation 2: bbox = "\[0, 0, 5, 5\]"; expected'),
        ({"bbox": []}, r"annotation 2: bbox = \[\]; expected"),
        ({"iscrowd": "no"}, 'annotation 2: iscrowd = "no"; expected 0, 1, true or false'),
        ({"image_id": 99}, "annotation 2: image_id = 99; expected the id of an image"),
        ({"image_id": []}, r"annotation 2: image_id = \[\]; expected a whole number"),
        ({"category_id": 2}, "annotation 2: category_id = 2; expected the id of a category"),
    ],
)
def test_a_wrong_annotation_is_named(add_coco, tmp_path, entry, message):
    add_coco("train2017", {}, entry)
    with pytest.raises(DataError, match=f"instances_train2017.json: {message}.*correct or remove"):
        read_dataset(tmp_path)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("images", [{"file_name": "a.jpg", "height": 1, "width": 1}], "image 1: has no 'id'"),
        ("images", [{"id": 1}], "image 1: has no 'file_name'"),
        ("images", ["a.jpg"], "image 1: "),
        ("images", [7], "image 1: "),
        (
            "images",
            [{"id": "a", "file_name": "a.jpg"}],
            'image 1: id = "a"; expected a whole number',
        ),
        (
            "categories",
            [{"id": 1, "name": "a"}] * 2,
            "category 2: id = 1; expected one that no other has",
        ),
        ("categories", [{"id": 1, "name": "a"}, {"id": 2, "name": "a"}], "2 categories are called"),
        ("annotations", [{"image_id": 10, "category_id": 1}], "annotation 1: has no 'bbox'"),
        ("annotations", None, "annotations = null; expected a list of annotations"),
    ],
)
def test_a_wrong_entry_is_named(add_coco, key, value, message):
    file = add_coco("val")
    file.write_text(json.dumps(json.loads(file.read_text()) | {key: value}))
    with pytest.raises(
        DataError, match=f"instances_val.json:? {message}|instances_val.json: {message}"
    ):
        read_dataset(file)


def test_broken_json_names_the_line_and_other_json_names_its_type(tmp_path):
    file = tmp_path / "a.json"
    file.write_text('{\n"images": [,]}')
    with pytest.raises(DataError, match=r"a\.json, line 2: broken JSON"):
        read_dataset(file)
    file.write_text("[]")
    with pytest.raises(DataError, match=r"a\.json: unknown layout"):
        read_dataset(file)
    file.write_bytes(b"\xff\xfe\xff")
    with pytest.raises(DataError, match=r"a\.json: cannot be read"):
        read_dataset(file)


def test_some_missing_images_are_an_error_that_counts_them(add_coco, tmp_path):
    add_coco("train2017", num_images=3)
    (tmp_path / "train2017/11.jpg").unlink()
    with pytest.raises(DataError, match=r"image 2: there is no image '11\.jpg'; restore"):
        read_dataset(tmp_path)


def test_tiny_coco_has_852_annotations_in_80_classes(shared):
    dataset = read_dataset(shared / "data/tiny_coco")
    assert len(dataset) == 100
    assert len(dataset.truths) == 470 + 382
    assert int(dataset.truths.crowd.sum()) == 10
    assert len(dataset.class_names) == 80
    assert dataset.category_ids[-1] == 90
    assert dataset[0].name == str(Path(dataset.paths[0]))


def test_coco_and_voc_tell_the_same_truth(shared):
    """Somebody else converted VOC to COCO, and left VOC's 1 in the left and top sides."""
    folder = shared / "data/voc2012_100"
    ours = read_dataset(folder)
    theirs = read_dataset(folder / "other-formats/coco_v2/instances_v2.json")
    theirs = theirs.with_classes(ours.class_names)
    place = {Path(path).stem: index for index, path in enumerate(theirs.paths)}
    theirs = theirs.subset([place[Path(path).stem] for path in ours.paths], description="")
    assert theirs.ends.tolist() == ours.ends.tolist()
    assert theirs.truths.labels.tolist() == ours.truths.labels.tolist()
    assert (theirs.truths.boxes - ours.truths.boxes).abs().max() <= 1
