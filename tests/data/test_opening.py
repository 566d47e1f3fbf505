from __future__ import annotations

import pytest

from singleshot.data.opening import open_dataset, splits_of
from singleshot.errors import DataError


def test_the_format_is_detected_from_the_content(voc_folder, add_coco):
    assert open_dataset(voc_folder, "test").description == f"VOC layout, split test of {voc_folder}"
    file = add_coco("val2017", {})
    assert open_dataset(file).description == f"COCO layout of {file}"


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(DataError, match="gone: there is no such folder or file"):
        open_dataset(tmp_path / "gone")


def test_an_unknown_layout_lists_what_was_looked_for_and_found(tmp_path):
    with pytest.raises(
        DataError, match=r"(?s)unknown layout.*VOC.*COCO.*imglab.*found: *an empty folder"
    ):
        open_dataset(tmp_path)
    (tmp_path / "labels").mkdir()
    (tmp_path / "data.yaml").touch()
    with pytest.raises(DataError, match=r"found: *data\.yaml, labels/"):
        splits_of(tmp_path)
    with pytest.raises(DataError, match=r"found: *a file that is none of these"):
        open_dataset(tmp_path / "data.yaml")


def test_of_an_unknown_layout_files_of_annotations_are_listed_before_images(tmp_path):
    for name in (*(f"{number}.jpg" for number in range(9)), "z.manifest"):
        (tmp_path / name).touch()
    with pytest.raises(DataError, match=r"found: *z\.manifest, 0\.jpg, .* and 2 more"):
        open_dataset(tmp_path)


def test_a_folder_of_images_that_does_not_exist_is_refused(voc_folder):
    with pytest.raises(DataError, match="--images photos: there is no such folder"):
        open_dataset(voc_folder, images="photos")


def test_an_empty_split_is_an_error(voc_folder, add_split):
    add_split("nothing")
    with pytest.raises(DataError, match=r"split nothing of .*has no images"):
        open_dataset(voc_folder, "nothing")


def test_plus_joins_splits_and_takes_a_shared_image_once(voc_folder):
    assert len(open_dataset(voc_folder, "train+test")) == 10
    assert len(open_dataset(voc_folder, "train+trainval")) == 10


def test_an_image_that_two_files_share_keeps_its_id(add_coco, tmp_path):
    add_coco("train2017", num_images=2, first_id=10, images_in="images")
    add_coco("val2017", num_images=2, first_id=11, images_in="images")
    for split in ("train+val", None):
        dataset = open_dataset(tmp_path, split)
        assert dataset.has_ids
        assert sorted(dataset.image_ids.tolist()) == [10, 11, 12]


def test_an_image_that_is_cut_short_is_used_left_out_or_refused(voc_folder):
    path = next((voc_folder / "JPEGImages").iterdir())
    whole = open_dataset(voc_folder)
    path.write_bytes(path.read_bytes()[:-20])
    kept, skipped = (open_dataset(voc_folder, on_error=one) for one in ("keep", "skip"))
    assert (len(kept), len(skipped)) == (len(whole), len(whole) - 1)
    assert any(note.startswith("1 image cut short, used up to the cut") for note in kept.notes)
    [note] = [note for note in skipped.notes if "cut short" in note]
    assert note.startswith("left out 1 entry that cannot be used: ")
    with pytest.raises(DataError, match=rf"{path.name}: the image is cut short; repair or remove"):
        open_dataset(voc_folder, on_error="stop")


def test_other_objects_of_an_image_in_a_second_file_are_noted(add_coco, tmp_path):
    box = {"bbox": [1, 2, 3, 4]}
    add_coco("cars", box, num_images=2, images_in="images")
    add_coco("dogs", {"bbox": [5, 6, 7, 8]}, num_images=2, images_in="images")
    dataset = open_dataset(tmp_path)
    assert dataset.truths.boxes.tolist() == [[1, 2, 4, 6]]
    [note] = [note for note in dataset.notes if "second" in note]
    assert note.startswith("other objects of 1 image (")
    assert note.endswith("are not read: write all objects of an image into one file")
    for path in (tmp_path / "annotations").glob("*dogs*"):
        path.write_bytes(next((tmp_path / "annotations").glob("*cars*")).read_bytes())
    assert not [note for note in open_dataset(tmp_path).notes if "second" in note]
