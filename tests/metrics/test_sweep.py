from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from singleshot.metrics import (
    Curve,
    Predictions,
    Protocol,
    Truths,
    compute_metrics,
    find_class_curves,
    find_true_positives,
)
from singleshot.metrics.sweep import (
    IOU_THRESHOLDS,
    SCORE_THRESHOLDS,
    Counts,
    sweep,
    thin,
)

NUM_CLASSES = 3


def random_case(seed: int, num_detections: int = 60) -> tuple[Predictions, Truths]:
    """Boxes near truths, with scores that often lie exactly on a step or tie."""
    random = np.random.default_rng(seed)
    num_truths = 20
    corners = random.integers(0, 60, (num_truths, 2))
    boxes = np.hstack([corners, corners + random.integers(5, 30, (num_truths, 2))]).astype(float)
    truths = Truths(
        images=random.integers(0, 4, num_truths),
        boxes=boxes,
        labels=random.integers(0, NUM_CLASSES - 1, num_truths),
        difficult=random.random(num_truths) < 0.2,
        crowd=random.random(num_truths) < 0.1,
        areas=np.prod(boxes[:, 2:] - boxes[:, :2], axis=1),
        num_images=4,
    )
    near = random.integers(0, num_truths, num_detections)
    predictions = Predictions(
        images=truths.images[near],
        boxes=boxes[near] + random.integers(-3, 4, (num_detections, 4)),
        scores=random.integers(0, 101, num_detections) / 100,
        labels=np.where(
            random.random(num_detections) < 0.8,
            truths.labels[near],
            random.integers(0, NUM_CLASSES, num_detections),
        ),
    )
    return predictions, truths


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), protocol=st.sampled_from(list(Protocol)))
def test_counts_are_those_of_the_detections_above_a_threshold_alone(seed, protocol):
    predictions, truths = random_case(seed)
    ignore = protocol.ignores(truths)
    for counts_by_score in sweep(predictions, truths, NUM_CLASSES, protocol=protocol)[::3]:
        for step in (0, 1, 37, 50, 99, 100):
            kept = predictions[predictions.scores >= step / 100]
            outcomes = find_true_positives(
                kept, truths, ignore=ignore, iou_threshold=counts_by_score.iou_threshold
            )
            wrong = ~outcomes.true_positive & ~outcomes.ignored
            for label in range(NUM_CLASSES):
                own = kept.labels == label
                assert counts_by_score.at_step(step, label) == (
                    int(outcomes.true_positive[own].sum()),
                    int(wrong[own].sum()),
                    int((truths.labels[~ignore] == label).sum()),
                )
            assert counts_by_score.at_step(step)[:2] == (outcomes.true_positive.sum(), wrong.sum())


@pytest.mark.parametrize("protocol", list(Protocol))
def test_the_best_of_each_class_is_the_one_of_the_report(protocol):
    predictions, truths = random_case(7, num_detections=200)
    report = compute_metrics(predictions, truths, ["a", "b", "c"], protocol=protocol)
    half = sweep(predictions, truths, NUM_CLASSES, protocol=protocol)[0]
    assert half.iou_threshold == report.iou_threshold
    assert half.best_thresholds.tolist() == report.score_thresholds.tolist()
    for label, numbers in enumerate(report.per_class.values()):
        best = half.at_best(label)
        assert best.f1 == pytest.approx(numbers.best_f1.f1)
        expected = numbers.best_f1.precision if numbers.truths else 0  # all are false positives
        assert best.precision == pytest.approx(expected)


def test_thresholds_are_the_decimals_they_look_like():
    assert IOU_THRESHOLDS == (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)
    assert SCORE_THRESHOLDS[29] == 0.29


@pytest.mark.parametrize(
    ("counts", "precision", "recall", "f1"),
    [
        (Counts(3, 1, 6), 0.75, 0.5, 0.6),
        (Counts(0, 2, 6), 0.0, 0.0, 0.0),
        (Counts(0, 0, 6), None, 0.0, 0.0),
        (Counts(0, 2, 0), 0.0, None, None),
        (Counts(0, 0, 0), None, None, None),
    ],
)
def test_undefined_numbers_are_none(counts, precision, recall, f1):
    assert (counts.precision, counts.recall, counts.f1) == (precision, recall, f1)


def test_no_detections_have_counts_of_zero():
    predictions, truths = random_case(0)
    counts_by_score, *_ = sweep(predictions[:0], truths, NUM_CLASSES, protocol=Protocol.VOC07)
    assert counts_by_score.true_positives.sum() == counts_by_score.false_positives.sum() == 0
    assert counts_by_score.best_thresholds.tolist() == [0.3] * NUM_CLASSES
    assert len(counts_by_score.pooled) == 0


def test_a_class_without_a_true_positive_is_counted_from_the_default_score():
    """Ten cats, all of them found as dogs, with scores 0.15, 0.25 … 1.05 cut to 1."""
    boxes = np.tile([0.0, 0, 10, 10], (10, 1))
    images, cats, none = np.arange(10), np.zeros(10, np.int64), np.zeros(10, np.bool_)
    truths = Truths(images, boxes, cats, none, none, np.full(10, 100.0), num_images=10)
    scores = np.minimum(0.15 + images / 10, 1)
    found = Predictions(images, boxes, scores, labels=cats + 1)
    counts_by_score, *_ = sweep(found, truths, 2, protocol=Protocol.VOC10)
    assert counts_by_score.at_best() == (0, 8, 10)  # 0.15 and 0.25 are below 0.3
    assert counts_by_score.at_best(1) == (0, 8, 0)


def test_curves_have_at_most_a_hundred_points_and_keep_their_ends():
    predictions, truths = random_case(1, num_detections=3000)
    spread = np.random.default_rng(0).random(3000)
    predictions = Predictions(predictions.images, predictions.boxes, spread, predictions.labels)
    counts_by_score, *_ = sweep(predictions, truths, NUM_CLASSES, protocol=Protocol.COCO)
    full = find_class_curves(predictions, truths, NUM_CLASSES, protocol=Protocol.COCO)
    for thinned, whole in zip(counts_by_score.curves, full, strict=True):
        if whole is None:
            assert thinned is None
            continue
        assert 2 <= len(thinned) <= 100 < len(whole)
        assert (thinned.recall[-1], thinned.precision[-1]) == (
            whole.recall[-1],
            whole.precision[-1],
        )
        start = thinned.recall[0], thinned.precision[0]
        assert start == (whole.recall[0], whole.precision[0])


def test_a_short_curve_is_left_alone():
    curve = Curve(np.array([0.9, 0.5]), np.array([0.5, 1.0]), np.array([1.0, 1.0]))
    assert thin(curve) is curve
