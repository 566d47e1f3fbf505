"""COCO 2014 as it is published: the paper's splits have no folders of their own."""

# Tests singleshot/data/formats/coco.py

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from coco2014 import MINIVAL, TRAIN, VAL, image_name, make_coco2014, write_split

from singleshot.data.opening import open_dataset, read_dataset
from singleshot.errors import DataError

TRAINVAL35K = {*TRAIN, *VAL} - {*MINIVAL}


def ids_of(dataset):
    """Image ids, all of which were read from the folder in the image's name."""
    for path in map(Path, dataset.paths):
        assert path.parent.name == path.name.split("_")[1]
        assert path.exists()
    assert dataset.notes == ()
    return dataset.image_ids.tolist()


@pytest.mark.parametrize("images", [".", "images"])
def test_trainval35k_is_train_and_val_without_minival(tmp_path, images):
    make_coco2014(tmp_path, images)
    dataset = read_dataset(tmp_path, "trainval35k")
    assert set(ids_of(dataset)) == TRAINVAL35K
    assert len(dataset) == len(dataset.truths) == 6
    assert "split train2014 + val2014 without minival2014 of" in dataset.description
    assert dataset.class_names == ("person", "dog")
    assert ids_of(read_dataset(tmp_path, "minival")) == list(MINIVAL)


def test_a_file_of_the_rest_of_val_is_taken_where_there_is_one(tmp_path):
    make_coco2014(tmp_path)
    write_split(tmp_path, "valminusminival2014", [2])
    dataset = read_dataset(tmp_path, "trainval35k")
    assert set(ids_of(dataset)) == {*TRAIN, 2}
    assert "train2014 + valminusminival2014" in dataset.description


def test_a_file_of_all_of_it_finds_its_images_in_both_folders(tmp_path):
    make_coco2014(tmp_path)
    write_split(tmp_path, "trainval35k", sorted(TRAINVAL35K))
    for file in (tmp_path, tmp_path / "annotations/instances_trainval35k.json"):
        assert ids_of(read_dataset(file, "trainval35k")) == sorted(TRAINVAL35K)


def test_all_splits_together_have_each_image_once(tmp_path):
    make_coco2014(tmp_path)
    names = sorted(Path(path).name for path in open_dataset(tmp_path).paths)
    assert names == sorted(map(image_name, (*TRAIN, *VAL)))


def test_in_the_layout_of_2017_they_are_train_and_val(tmp_path, add_coco):
    add_coco("train2017", num_images=3)
    add_coco("val2017", num_images=1, first_id=20)
    assert len(read_dataset(tmp_path, "trainval35k")) == 3
    assert len(read_dataset(tmp_path, "minival")) == 1


def test_without_the_list_of_minival_the_error_names_it(tmp_path):
    make_coco2014(tmp_path)
    (tmp_path / "annotations/instances_minival2014.json").unlink()
    with pytest.raises(
        DataError,
        match=r"no split 'trainval35k'; it has train2014, val2014, and trainval35k is made of "
        r"train2014 \+ valminusminival2014, or of .* without minival2014, or of train2017",
    ):
        read_dataset(tmp_path, "trainval35k")


def test_an_image_that_is_missing_in_both_folders_is_named(tmp_path):
    make_coco2014(tmp_path)
    (tmp_path / "val2014/COCO_val2014_000000000003.jpg").unlink()
    with pytest.raises(DataError, match=r"image 1: there is no image 'COCO_val2014_0+3\.jpg'"):
        read_dataset(tmp_path, "minival")


def test_an_image_of_another_split_does_not_replace_a_missing_one(tmp_path, add_coco):
    add_coco("train")
    add_coco("val")
    (tmp_path / "train/11.jpg").unlink()
    with pytest.raises(DataError, match=r"image 2: there is no image '11\.jpg'"):
        read_dataset(tmp_path, "train")


def test_of_two_images_of_one_name_none_is_chosen_in_silence(tmp_path, add_coco):
    add_coco("train")
    add_coco("val")
    add_coco("some", images_in=None)
    with pytest.raises(
        DataError, match=r"'10\.jpg' may be .*train/10\.jpg or .*val/10\.jpg; write the fol"
    ):
        read_dataset(tmp_path, "some")
    shutil.rmtree(tmp_path / "val")
    assert Path(read_dataset(tmp_path, "some").paths[0]) == tmp_path / "train/10.jpg"
