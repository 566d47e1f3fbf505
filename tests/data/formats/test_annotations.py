"""Splits for formats that have a file for each."""

from __future__ import annotations

from singleshot.data.formats.annotations import with_rest


def test_images_in_no_split_become_one_of_their_own():
    assert with_rest({"train": [0], "test": [2]}, 4) == {"train": [0], "test": [2], "all": [1, 3]}


def test_without_splits_all_images_are_one():
    assert with_rest({"all": [0], "rest": [1]}, 3) == {"all": [0], "rest": [1], "rest-2": [2]}
    assert with_rest(None, 2) == {"all": [0, 1]}
    assert with_rest(None, 0) == {"all": []}
    assert with_rest({"train": [0, 1]}, 2) == {"train": [0, 1]}
