"""Checks of objects; each kind of finding is planted in tests/inspection/check."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from torchvision.ops import box_iou

from singleshot.data.dataset import DataSet
from singleshot.data.object_checks import check_objects, coinciding_boxes, second_annotations
from singleshot.structures import Truth


def dataset(*images: list[list[float]], labels: list[int] | None = None) -> DataSet:
    """A data set of images with these boxes, all of one class if none is given."""
    truths = [
        Truth.of(torch.tensor(boxes).reshape(-1, 4), torch.zeros(len(boxes), dtype=torch.int64))
        for boxes in images
    ]
    if labels is not None:
        truths = [Truth.of(truths[0].boxes, torch.tensor(labels))]
    pairs = [(Path(f"/data/{number}.jpg"), truth) for number, truth in enumerate(truths)]
    return DataSet.of(["cat", "dog"], pairs, description="made up")


@given(
    seed=st.integers(0, 2**32 - 1),
    number=st.integers(0, 60),
    iou=st.sampled_from([0.3, 0.5, 0.8, 0.95]),
)
def test_coinciding_boxes_are_those_that_comparing_all_pairs_finds(seed, number, iou):
    random = np.random.default_rng(seed)
    images = np.sort(random.integers(0, 3, number))
    corners = random.integers(0, 6, (number, 2)).astype(float)
    boxes = np.concatenate([corners, corners + random.integers(1, 20, (number, 2))], axis=1)
    first, second = coinciding_boxes(images, boxes, iou)
    all_ious = box_iou(torch.from_numpy(boxes), torch.from_numpy(boxes)).numpy()
    expected = np.triu((all_ious > iou) & (images[:, None] == images), 1)
    assert list(zip(first, second, strict=True)) == list(zip(*np.nonzero(expected), strict=True))


def test_of_three_annotations_of_an_object_two_are_too_many():
    own = [[10.0, 10, 50, 50], [10.0, 10, 50, 50.5], [10.0, 10, 50, 50]]
    assert second_annotations(dataset([[0.0, 0, 5, 5]], own)).tolist() == [2, 3]


def test_boxes_of_different_images_or_of_two_classes_are_no_second_annotations():
    box = [10.0, 10, 50, 50]
    assert second_annotations(dataset([box], [box])).tolist() == []
    two = dataset([box, box], labels=[0, 1])
    assert second_annotations(two).tolist() == []
    assert "two-classes" in {one.kind for one in check_objects(two)}


def test_the_input_decides_which_boxes_vanish():
    one = dataset([[100.0, 100, 104, 150]])
    large = DataSet(**{**vars(one), "sizes": np.array([[1000, 2000]])})
    assert "tiny" in {found.kind for found in check_objects(large, input=(300, 300))}
    assert "tiny" not in {found.kind for found in check_objects(large, input=(512, 512))}
