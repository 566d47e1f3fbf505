from __future__ import annotations

import numpy as np
import pytest
import torch

from singleshot.metrics import Predictions, Protocol, Truths
from singleshot.report.images import ExampleImage, make_example
from singleshot.structures import Truth

IOU_THRESHOLDS = (0.5, 0.95)


@pytest.fixture
def shown() -> ExampleImage:
    """A true positive, one at IoU 0.5 only, a duplicate, one on a difficult object."""
    truth = Truth.of(
        torch.tensor([[0.0, 0, 100, 100], [200, 0, 300, 100], [400, 0, 500, 100]]),
        torch.tensor([0, 1, 0]),
    )
    truth.difficult[2] = True
    boxes = [[0, 0, 100, 100], [200, 0, 300, 80], [0, 0, 100, 99], [400, 0, 500, 100]]
    found = Predictions(
        np.zeros(4, np.int64),
        np.array(boxes, np.float64),
        np.array([0.9, 0.8, 0.7, 0.6]),
        np.array([0, 1, 0, 0]),
    )
    return make_example(
        "folder/one.jpg",
        torch.zeros(3, 640, 1280, dtype=torch.uint8),
        found,
        Truths.of(truth, torch.tensor([3])),
        protocol=Protocol.VOC07,
        iou_thresholds=IOU_THRESHOLDS,
    )


def test_a_large_image_is_shrunk_with_its_boxes(shown):
    assert (shown.name, shown.width, shown.height) == ("one.jpg", 640, 320)
    assert [mark.box for mark in shown.truths][1] == (100, 0, 150, 50)
    assert [mark.remark for mark in shown.truths] == ["", "", "difficult"]


def test_detections_have_an_outcome_for_each_iou_threshold_the_best_scored_last(shown):
    assert [mark.score for mark in shown.detections] == [0.6, 0.7, 0.8, 0.9]
    assert [mark.outcomes for mark in shown.detections] == ["ii", "ff", "tf", "tt"]


@pytest.mark.parametrize(
    ("thresholds", "iou_index", "found", "truths"),
    [
        ((0.0, 0.0), 0, "ignored fp tp tp", "annotated annotated uncounted"),
        ((0.0, 0.0), 1, "ignored fp fp tp", "annotated fn uncounted"),
        ((0.7, 0.81), 0, "off fp off tp", "annotated fn uncounted"),
        ((np.inf, 0.8), 0, "off off tp off", "fn annotated uncounted"),
    ],
)
def test_marks_follow_both_thresholds(shown, thresholds, iou_index, found, truths):
    score_thresholds = np.array(thresholds, np.float64)
    assert shown.outcomes_of_detections(score_thresholds, iou_index) == found.split()
    assert shown.outcomes_of_truths(score_thresholds, iou_index) == truths.split()
