import sys

import numpy as np
import pytest

from singleshot.errors import SingleshotError
from singleshot.video.tracking.association import assign, overlap


def test_the_highest_sum_is_chosen():
    rows, columns = assign(np.array([[0.9, 0.8], [0.85, 0.3]]), 0.2)
    assert list(zip(rows, columns, strict=True)) == [(0, 1), (1, 0)]


def test_pairs_that_overlap_too_little_do_not_sway_the_others():
    # 0.5 + 0.19 is more than 0.55 + 0.1: but neither of the two below 0.2 is a pair.
    rows, columns = assign(np.array([[0.55, 0.5], [0.19, 0.1]]), 0.2)
    assert list(zip(rows, columns, strict=True)) == [(0, 0)]


def test_boxes_of_different_classes_do_not_overlap():
    box = np.array([[0.0, 0.0, 10.0, 10.0]])
    iou = overlap(box, np.array([1]), np.concatenate([box, box]), np.array([1, 2]))
    assert iou.tolist() == [[1, 0]]


def test_scipy_is_named_where_it_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy.optimize", None)
    with pytest.raises(SingleshotError, match=r"pip install 'singleshot\[track\]'"):
        assign(np.ones((1, 1)), 0.2)
