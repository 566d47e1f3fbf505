from __future__ import annotations

import pytest

from singleshot.data.opening import open_dataset, splits_of
from singleshot.data.splits import evaluation_split, training_split
from singleshot.errors import DataError

CAT = ("cat", (1, 1, 10, 10))
DOG = ("dog", (5, 5, 20, 20))


@pytest.fixture
def voc_folder(add_voc, add_split, tmp_path):
    """Twelve images: train 0-7, val 8-9, trainval 0-9, test 10-11."""
    for index in range(12):
        add_voc(f"{index:02}", *([CAT] if index % 2 else [CAT, DOG]))
    numbers = [f"{index:02}" for index in range(12)]
    add_split("train", *numbers[:8])
    add_split("val", *numbers[8:10])
    add_split("trainval", *numbers[:10])
    add_split("test", *numbers[10:])
    return tmp_path


def without(folder, *splits):
    for split in splits:
        (folder / "ImageSets/Main" / f"{split}.txt").unlink()
    return folder


def test_the_format_is_told_by_content(voc_folder, add_coco):
    assert open_dataset(voc_folder, "test").description == f"VOC layout, split test of {voc_folder}"
    file = add_coco("val2017", {})
    assert open_dataset(file).description == f"COCO layout of {file}"


def test_a_missing_folder_says_so(tmp_path):
    with pytest.raises(DataError, match="gone: there is no such folder or file"):
        open_dataset(tmp_path / "gone")


def test_an_unknown_layout_lists_what_was_looked_for_and_found(tmp_path):
    with pytest.raises(
        DataError, match=r"unknown layout.*VOC.*COCO.*imglab.*found an empty folder"
    ):
        open_dataset(tmp_path)
    (tmp_path / "labels").mkdir()
    (tmp_path / "data.yaml").touch()
    with pytest.raises(DataError, match=r"found data\.yaml, labels/"):
        splits_of(tmp_path)
    with pytest.raises(DataError, match="found a file that is neither JSON nor such XML"):
        open_dataset(tmp_path / "data.yaml")


def test_an_empty_split_is_an_error(voc_folder, add_split):
    add_split("nothing")
    with pytest.raises(DataError, match=r"split nothing of .*has no images"):
        open_dataset(voc_folder, "nothing")


def test_plus_joins_splits_and_takes_a_shared_image_once(voc_folder):
    assert len(open_dataset(voc_folder, "train+test")) == 10
    assert len(open_dataset(voc_folder, "train+trainval")) == 10


def test_training_takes_train_and_validates_on_val(voc_folder):
    train, validation, said = training_split([voc_folder], None, None, 0)
    assert (len(train), len(validation)) == (8, 2)
    assert said[0].startswith("training on 8 images (VOC layout, split train")
    assert said[1].startswith("validating on 2 images (VOC layout, split val")


def test_val_inside_trainval_is_not_validated_on(voc_folder):
    train, validation, said = training_split([voc_folder], "trainval", None, 0)
    assert len(train) + len(validation) == 10
    assert not set(train.paths) & set(validation.paths)
    assert "stratified tenth" in said[0]
    assert "seed 0" in said[0]


def test_without_train_comes_trainval_and_without_that_everything(voc_folder):
    assert len(training_split([without(voc_folder, "train")], None, "none", 0).train) == 10
    assert len(training_split([without(voc_folder, "trainval")], None, "none", 0).train) == 12


def test_no_validation_when_none_is_asked_for(voc_folder):
    train, validation, said = training_split([voc_folder], "trainval", "none", 0)
    assert (len(train), validation) == (10, None)
    assert said[0].endswith("without validation")


def test_validating_on_what_is_trained_on_is_said(voc_folder):
    said = training_split([voc_folder], "trainval", "val", 0).messages
    assert said[2].startswith("2 of the validation images are also in the training split")


def test_a_single_image_is_not_set_aside(add_voc, tmp_path):
    add_voc("a", CAT)
    train, validation, said = training_split([tmp_path], None, None, 0)
    assert (len(train), validation) == (1, None)
    assert "too few" in said[0]


def test_what_was_dropped_is_told_once(add_voc, tmp_path):
    for stem in "abcd":
        add_voc(stem, CAT, ("cat", (5, 5, 5, 5)))
    train, validation, _ = training_split([tmp_path], None, None, 0)
    assert train.notes == ("dropped 4 boxes without area: a, b, c and 1 more",)
    assert validation.notes == ()


def test_evaluation_takes_test_then_val_then_everything(voc_folder):
    dataset, said = evaluation_split([voc_folder], None)
    assert len(dataset) == 2
    assert said[0].startswith("evaluating on 2 images (VOC layout, split test")
    without(voc_folder, "test")
    assert "split val " in evaluation_split([voc_folder], None).messages[0]
    without(voc_folder, "val")
    assert len(evaluation_split([voc_folder], None).dataset) == 12
    assert len(evaluation_split([voc_folder], "train").dataset) == 8


def test_the_year_of_coco_may_be_left_out(shared):
    train, validation, _ = training_split([shared / "data/tiny_coco"], None, None, 0)
    assert (len(train), len(validation)) == (50, 50)
    assert train.class_names == validation.class_names


def test_several_data_sets_are_joined_by_class_name(voc_folder, shared):
    paths = [voc_folder, shared / "data/bccd"]
    train, validation, said = training_split(paths, None, None, 0)
    assert train.class_names == ("cat", "dog", "Platelets", "RBC", "WBC")
    assert validation.class_names == train.class_names
    assert (len(train), len(validation)) == (8 + 205, 2 + 87)
    assert len(said) == 4
    assert len(evaluation_split(paths, None).dataset) == 2 + 72
