from pathlib import Path

import pytest

from singleshot.data.formats.split_names import (
    choose_split,
    join_years,
    matching_splits,
    require_file_names,
)
from singleshot.errors import DataError

DATA = Path("cells")


def test_a_name_may_lack_the_year():
    assert choose_split("train", ("train2017", "val2017"), DATA) == "train2017"
    assert choose_split("trainval", ("2007-test", "2007-trainval"), DATA) == "2007-trainval"


def test_the_name_itself_goes_before_names_with_a_year():
    assert matching_splits("train", ("train", "train2017")) == ("train",)
    assert matching_splits("val", ("trainval", "val_2017")) == ()


def test_several_years_and_no_such_split_are_errors_that_list_the_choices():
    splits = ("2007-test", "2012-test")
    with pytest.raises(DataError, match=r"cells: .*choose one of 2007-test, 2012-test, or join"):
        choose_split("test", splits, DATA)
    with pytest.raises(DataError, match=r"no split 'val'; it has 2007-test, 2012-test"):
        choose_split("val", splits, DATA)
    with pytest.raises(DataError, match=r"no split 'val'; it has no splits of its own"):
        choose_split("val", (), DATA)


def test_by_default_the_years_of_a_devkit_are_joined_and_those_of_coco_are_not():
    assert join_years("test", ("2007-test", "2012-test")) == "2007-test+2012-test"
    assert join_years("train", ("train2014", "train2017")) == "train"
    assert join_years("val", ("2007-test",)) is None


def test_case_matters_only_between_two_that_differ_by_it():
    assert matching_splits("train", ("Train", "Test")) == ("Train",)
    assert matching_splits("train", ("Train", "train")) == ("train",)


@pytest.mark.parametrize(
    "name", ["../x", "/home/u/x", "a\\b", "c:x", "..", "", "a\0b", "test/night"]
)
def test_a_split_that_no_file_can_be_named_after_is_refused(name):
    with pytest.raises(DataError, match="not on every system can a file be named after it"):
        require_file_names(["train", name])


def test_usual_names_can_be_files():
    require_file_names(["train", "2007-trainval", "val 2", "rest.1", "Größe"])
