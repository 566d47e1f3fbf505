from __future__ import annotations

import shutil

import pytest

from singleshot.data.opening import open_dataset, splits_of
from singleshot.errors import DataError


@pytest.fixture
def elsewhere(tmp_path_factory):
    return tmp_path_factory.mktemp("elsewhere")


def move_and_link(path, elsewhere):
    shutil.move(path, elsewhere)
    path.symlink_to(elsewhere / path.name)


@pytest.mark.parametrize("part", ["Annotations", "Annotations/03.xml", "ImageSets/Main/train.txt"])
@pytest.mark.parametrize("read", [open_dataset, splits_of])
def test_annotations_elsewhere_are_not_read(voc_folder, elsewhere, part, read):
    move_and_link(voc_folder / part, elsewhere)
    with pytest.raises(DataError, match=rf"1 link out of the folder.*: {part} to .*follow-links"):
        read(voc_folder)
    if read is open_dataset:
        assert len(read(voc_folder, follow_links=True)) == 12


def test_a_folder_of_a_split_elsewhere_is_not_read(voc_folder, elsewhere):
    (voc_folder / "data").mkdir()
    shutil.move(voc_folder / "Annotations", elsewhere / "train/Annotations")
    shutil.move(voc_folder / "JPEGImages", elsewhere / "train/JPEGImages")
    (voc_folder / "data/train").symlink_to(elsewhere / "train")
    with pytest.raises(DataError, match=r"1 link out of the folder .*: train to"):
        open_dataset(voc_folder / "data")


def test_links_within_the_folder_and_of_no_use_are_none_of_its_business(voc_folder, elsewhere):
    (voc_folder / "Annotations").rename(voc_folder / "first")
    (voc_folder / "Annotations").symlink_to("first")
    (elsewhere / "weights.pt").touch()
    (voc_folder / "weights.pt").symlink_to(elsewhere / "weights.pt")
    (voc_folder / "runs").symlink_to(elsewhere)
    (voc_folder / "gone.xml").symlink_to(elsewhere / "gone.xml")
    (voc_folder / "self").symlink_to(voc_folder)
    assert len(open_dataset(voc_folder)) == 12


def test_a_folder_given_as_a_link_is_the_data_set(voc_folder, elsewhere):
    (elsewhere / "link").symlink_to(voc_folder)
    assert len(open_dataset(elsewhere / "link")) == 12


def test_images_elsewhere_are_named_one_by_one(voc_folder, elsewhere):
    move_and_link(voc_folder / "JPEGImages/03.jpg", elsewhere)
    with pytest.raises(DataError, match=r"03.xml: leads to .*03\.jpg.*follow-links"):
        open_dataset(voc_folder)
