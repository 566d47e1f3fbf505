from __future__ import annotations

import pickle
from multiprocessing.reduction import ForkingPickler
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from singleshot.data.image_files.archives import member_path
from singleshot.data.image_files.paths import ImagePaths, as_slice, take_ragged

TEXTS = [
    "a.jpg",
    "cells/b c.jpg",
    "/data/é/ß.png",
    "/data/é/c#1.png",
    str(member_path(Path("x/train-000000.tar"), 512, 7, "d.jpg")),
    str(member_path(Path("x/train-000000.tar"), 1024, 9, "e.jpg")),
    "x/no#012+3/e.jpg",
    "",
]


@given(st.lists(st.text(st.characters(codec="utf-16")) | st.sampled_from(TEXTS)))
def test_any_text_is_kept(texts):
    paths = ImagePaths.of(texts)
    assert paths.tolist() == texts == list(pickle.loads(pickle.dumps(paths)))
    assert ImagePaths.join([paths, paths]).tolist() == texts + texts


def test_it_is_indexed_as_an_array():
    paths, array = ImagePaths.of(TEXTS), np.array(TEXTS)
    assert paths[2] == paths[np.int64(2)] == TEXTS[2]
    assert paths[-1] == TEXTS[-1]
    with pytest.raises(IndexError):
        paths[len(TEXTS)]
    mask = np.array([len(text) > 5 for text in TEXTS])
    for index in (slice(1, 4), slice(None, None, -2), [3, 0, 3], np.array([5, 2]), mask):
        assert paths[index].tolist() == array[index].tolist()
    assert paths[torch.tensor([4, 1])].tolist() == array[[4, 1]].tolist()
    assert np.flatnonzero(paths == "a.jpg").tolist() == [0]
    assert np.isin(paths, ["a.jpg", TEXTS[4]]).tolist() == paths.isin(["a.jpg", TEXTS[4]]).tolist()
    assert sum(paths.isin(["a.jpg", TEXTS[4]])) == 2


def test_it_is_ordered_as_an_array():
    texts = ["b", "a", "é", "b", "B", "a"]
    paths = ImagePaths.of(texts)
    assert paths.by_text().tolist() == np.argsort(np.array(texts), kind="stable").tolist()


def test_a_million_characters_are_not_a_million_times_as_wide():
    paths = ImagePaths.of(["x" * 1_000_000, *(f"/data/{index}.jpg" for index in range(1000))])
    assert len(pickle.dumps(paths)) < 1_100_000
    assert len(paths[:0]) == 0


def test_neighbours_share_the_memory():
    paths = ImagePaths.of(f"/data/{index}.jpg" for index in range(100))
    part = paths.take(torch.arange(10, 90))
    assert part.tolist() == paths.tolist()[10:90]
    assert part.folder_of.data_ptr() == paths.folder_of[10:].data_ptr()


def test_processes_share_its_arrays():
    paths = ImagePaths.of(["/data/" + "x" * 100_000])
    assert len(ForkingPickler.dumps(paths)) < 10_000


def test_indices_that_are_a_slice():
    assert as_slice(torch.tensor([3, 4, 5])) == slice(3, 6)
    assert as_slice(torch.tensor([], dtype=torch.int64)) == slice(0, 0)
    for others in ([3, 5], [5, 4], [3, 3], [-1, 0], [3, 4, 4, 6]):
        assert as_slice(torch.tensor(others)) is None


def test_rows_of_different_lengths_are_taken_in_any_number(monkeypatch):
    monkeypatch.setattr("singleshot.data.image_files.paths._AT_ONCE", 2)
    values, ends = torch.arange(6), torch.tensor([2, 2, 5, 6])
    taken, new_ends = take_ragged(values, ends, torch.tensor([3, 0, 1, 2, 0]))
    assert taken.tolist() == [5, 0, 1, 2, 3, 4, 0, 1]
    assert new_ends.tolist() == [1, 3, 3, 6, 8]


def test_paths_stay_readable_when_their_tensors_move_into_shared_memory(tmp_path):
    """What handing a data set to another process does."""
    paths = ImagePaths.of([f"{tmp_path}/{index}.png" for index in range(50)])
    before = paths.tolist()
    for tensor in (paths.folder_of, paths.names, paths.name_ends, paths.offsets, paths.lengths):
        tensor.share_memory_()
    assert [paths[index] for index in range(50)] == paths.tolist() == before
