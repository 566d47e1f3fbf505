from __future__ import annotations

import numpy as np
import torch

from singleshot.boxes.geometry import from_unit, to_corners
from singleshot.data.input_objects import InputObjects
from singleshot.detectors.common.priors import PriorLayout, PriorLevel, prior_boxes
from singleshot.inspection.coverage.remarks import make_remarks
from singleshot.inspection.coverage.result import Measured

SIZE = (128, 128)
LEVELS = (
    PriorLevel((8, 8), (16.0, 16.0), (8.0, 8.0), ((24.0, 24.0),)),
    PriorLevel((2, 2), (64.0, 64.0), (32.0, 32.0), ((90.0, 90.0),)),
)
LAYOUT = PriorLayout(LEVELS, SIZE, to_corners(from_unit(prior_boxes(LEVELS, SIZE), SIZE)))
SQUARE, WIDE = np.array([[480, 480]]), np.array([[200, 800]])


def remarks(boxes, *, sizes=SQUARE, fits=False, left_out=0):
    number = len(boxes)
    labels, images = torch.zeros(number, dtype=torch.int64), torch.zeros(number, dtype=torch.int64)
    objects = InputObjects(torch.tensor(boxes), labels, images, ("cell",), 1, left_out)
    return "\n".join(make_remarks(Measured.of(objects, LAYOUT, "cells"), sizes, fits=fits))


FINE = [60.0, 60.0, 84.0, 84.0]  # as the prior around (72, 72)
LARGE = [-13.0, -13.0, 77.0, 77.0]  # as that around (32, 32)


def test_objects_that_priors_cover_need_no_remark():
    assert remarks([FINE, LARGE]) == ""


def test_objects_smaller_than_a_cell_are_counted_with_remedies():
    text = remarks([FINE, LARGE, [10.0, 10.0, 15.0, 40.0]])
    assert "1 of 3 objects are narrower or lower than one cell" in text
    assert "model.input=[256, 256]" in text


def test_uncovered_objects_lead_to_a_fit_unless_there_is_one():
    boxes = [LARGE, [0.0, 0.0, 100.0, 17.0]]
    assert "50% of the objects overlap no prior" in remarks(boxes)
    assert "--fit OUT.toml" in remarks(boxes)
    assert "--fit OUT.toml" not in remarks(boxes, fits=True)


def test_objects_that_share_a_best_prior_are_counted():
    assert "1 object has the same best prior" in remarks([LARGE, FINE, FINE])


def test_levels_without_objects_are_named():
    assert "(2 x 2)" in remarks([FINE])


def test_images_of_another_shape_than_the_input_have_one_proposed():
    assert "images are 4.00 times as wide as high" in remarks([FINE, LARGE], sizes=WIDE)


def test_annotations_that_are_left_out_are_counted():
    assert "3 annotations are left out" in remarks([FINE, LARGE], left_out=3)
