from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from singleshot.metrics import Predictions, Truths, find_true_positives
from singleshot.metrics.voc_matching import find_overlaps, paired_iou

SQUARE = (0, 0, 10, 10)
HALF = (0, 0, 10, 5)  # IoU with SQUARE: 0.5
THIRD = (5, 0, 15, 10)  # IoU with SQUARE: 1/3
FAR = (50, 50, 60, 60)


def predictions(*boxes, scores=None, images=None, labels=None) -> Predictions:
    count = len(boxes)
    return Predictions(
        images=np.array([0] * count if images is None else images, np.int64),
        boxes=np.array(boxes, np.float64).reshape(-1, 4),
        scores=np.linspace(0.9, 0.1, count) if scores is None else np.array(scores),
        labels=np.array([0] * count if labels is None else labels, np.int64),
    )


def truths(*boxes, images=None, labels=None) -> Truths:
    count = len(boxes)
    no = np.zeros(count, np.bool_)
    return Truths(
        images=np.array([0] * count if images is None else images, np.int64),
        boxes=np.array(boxes, np.float64).reshape(-1, 4),
        labels=np.array([0] * count if labels is None else labels, np.int64),
        difficult=no,
        crowd=no,
        areas=np.ones(count),
        num_images=2,
    )


def with_crowd(objects: Truths, crowd=(True,)) -> Truths:
    return replace(objects, crowd=np.array(crowd))


def matched_truths(predictions, truths, *, ignore=None, iou_threshold=0.5):
    ignore = np.zeros(len(truths), np.bool_) if ignore is None else np.array(ignore)
    return find_true_positives(predictions, truths, ignore=ignore, iou_threshold=iou_threshold)


def test_an_iou_of_exactly_the_threshold_is_a_true_positive():
    assert matched_truths(predictions(HALF), truths(SQUARE)).truths.tolist() == [0]
    assert matched_truths(predictions(THIRD), truths(SQUARE)).truths.tolist() == [-1]


def test_only_the_best_scored_of_several_detections_of_one_object_is_a_true_positive():
    found = matched_truths(predictions(HALF, SQUARE, scores=[0.4, 0.8]), truths(SQUARE))
    assert found.truths.tolist() == [-1, 0]


def test_equal_scores_keep_the_order_given():
    found = matched_truths(predictions(HALF, SQUARE, scores=[0.8, 0.8]), truths(SQUARE))
    assert found.truths.tolist() == [0, -1]


def test_equal_overlaps_go_to_the_truth_annotated_first():
    found = matched_truths(predictions(SQUARE, SQUARE), truths(SQUARE, SQUARE))
    assert found.truths.tolist() == [0, -1]


def test_a_detection_whose_best_truth_is_taken_does_not_get_the_second_best():
    found = matched_truths(
        predictions(SQUARE, SQUARE), truths(SQUARE, (0, 0, 10, 8)), iou_threshold=0.5
    )
    assert found.truths.tolist() == [0, -1]


def test_any_number_of_detections_on_an_ignored_truth_are_ignored():
    found = matched_truths(predictions(SQUARE, SQUARE, FAR), truths(SQUARE), ignore=[True])
    assert found.truths.tolist() == [-1, -1, -1]
    assert found.ignored.tolist() == [True, True, False]


def test_other_images_and_other_classes_do_not_count():
    objects = truths(SQUARE, SQUARE, images=[0, 1], labels=[0, 1])
    found = matched_truths(predictions(SQUARE, SQUARE, images=[0, 1], labels=[1, 0]), objects)
    assert found.truths.tolist() == [-1, -1]


@pytest.mark.parametrize("objects", [truths(), truths(SQUARE)])
@pytest.mark.parametrize("found", [predictions(), predictions(SQUARE)])
def test_no_detections_and_no_truths_are_no_special_case(found, objects):
    expected = [0] if len(found) and len(objects) else [-1] * len(found)
    assert matched_truths(found, objects).truths.tolist() == expected


def test_a_detection_is_compared_with_the_truth_it_overlaps_most():
    overlaps = find_overlaps(predictions(SQUARE, FAR), truths(THIRD, HALF))
    assert overlaps.truths.tolist() == [1, -1]
    assert overlaps.ious.tolist() == [0.5, 0]


def test_false_positives_inside_a_crowd_region_are_ignored_however_many_and_small():
    region = with_crowd(truths((0, 0, 100, 100)))
    found = matched_truths(predictions(SQUARE, FAR, (95, 0, 105, 10), (96, 0, 106, 10)), region)
    assert found.truths.tolist() == [-1] * 4
    assert found.ignored.tolist() == [True, True, True, False]


def test_a_crowd_region_takes_no_true_positive_and_makes_a_duplicate_in_it_ignored():
    objects = with_crowd(truths((0, 0, 100, 100), SQUARE), [True, False])
    found = matched_truths(predictions(SQUARE, SQUARE), objects)
    assert found.truths.tolist() == [1, -1]
    assert found.ignored.tolist() == [False, True]


def test_a_crowd_region_counts_for_its_own_class_and_image_only():
    region = with_crowd(truths((0, 0, 100, 100)))
    found = matched_truths(predictions(SQUARE, SQUARE, images=[1, 0], labels=[0, 1]), region)
    assert not found.ignored.any()


def test_a_box_without_area_overlaps_nothing():
    point = np.array([[5.0, 5, 5, 5]])
    assert paired_iou(point, point).tolist() == [0]
    assert paired_iou(point, np.array([SQUARE], np.float64)).tolist() == [0]


def test_overlaps_are_the_same_some_detections_at_a_time(monkeypatch):
    random = np.random.default_rng(0)
    corners = random.integers(0, 30, (60, 2))
    boxes = np.hstack([corners, corners + 10]).astype(np.float64)
    images, labels = random.integers(0, 4, 60), random.integers(0, 2, 60)
    predictions = Predictions(images, boxes, random.random(60), labels)
    truths = Truths(
        images=random.integers(0, 4, 20),
        boxes=boxes[:20] + 1,
        labels=random.integers(0, 2, 20),
        difficult=np.zeros(20, bool),
        crowd=np.arange(20) < 3,
        areas=np.full(20, 100.0),
        num_images=4,
    )
    at_once = find_overlaps(predictions, truths)
    monkeypatch.setattr("singleshot.metrics.voc_matching.DETECTIONS_AT_ONCE", 7)
    in_turn = find_overlaps(predictions, truths)
    assert (at_once.truths >= 0).sum() == 24
    for name in ("truths", "ious", "covered"):
        np.testing.assert_array_equal(getattr(at_once, name), getattr(in_turn, name))
