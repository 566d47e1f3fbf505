"""What must not matter to a number, whatever the detections and the rule."""

# Tests singleshot/metrics/protocol.py

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from singleshot.metrics import (
    Predictions,
    Protocol,
    Truths,
    compute_metrics,
    find_class_curves,
    find_true_positives,
)

NUM_IMAGES, NUM_CLASSES = 3, 2
NAMES = ("cat", "dog")
few = settings(max_examples=30, deadline=None)
protocols = st.sampled_from(list(Protocol))


@st.composite
def cases(draw):
    """Detections without two equal scores, around difficult objects, crowds and others."""
    random = np.random.default_rng(draw(st.integers(0, 10**6)))
    num_truths, num_found = draw(st.integers(1, 12)), draw(st.integers(1, 24))
    boxes = some_boxes(random, num_truths)
    kinds = random.choice(3, num_truths, p=[0.7, 0.2, 0.1])
    truths = Truths(
        images=random.integers(0, NUM_IMAGES, num_truths),
        boxes=boxes,
        labels=random.integers(0, NUM_CLASSES, num_truths),
        difficult=kinds == 1,
        crowd=kinds == 2,
        areas=np.prod(boxes[:, 2:] - boxes[:, :2], axis=1),
        num_images=NUM_IMAGES,
    )
    near = random.integers(0, num_truths, num_found)
    predictions = Predictions(
        images=truths.images[near],
        boxes=boxes[near] + random.integers(-3, 4, (num_found, 4)),
        scores=random.permutation(np.linspace(0.2, 0.9, num_found)),
        labels=np.where(random.random(num_found) < 0.8, truths.labels[near], 0),
    )
    return predictions, truths, random


def some_boxes(random, count):
    corners = random.integers(0, 60, (count, 2))
    return np.hstack([corners, corners + random.integers(8, 40, (count, 2))]).astype(np.float64)


def numbers(predictions, truths, protocol):
    """The whole report, without the names of classes."""
    document = compute_metrics(predictions, truths, NAMES, protocol=protocol).to_json()
    return {**document, "per_class": [document["per_class"][name] for name in NAMES]}


@given(cases(), protocols)
@few
def test_neither_the_order_of_images_nor_that_of_detections_matters(case, protocol):
    predictions, truths, random = case
    place = random.permutation(NUM_IMAGES)
    shuffled = predictions[random.permutation(len(predictions))]
    elsewhere = replace(shuffled, images=place[shuffled.images])
    assert numbers(elsewhere, replace(truths, images=place[truths.images]), protocol) == numbers(
        predictions, truths, protocol
    )


@given(cases(), protocols)
@few
def test_boxes_four_times_as_large_score_the_same(case, protocol):
    predictions, truths, _ = case
    larger = replace(truths, boxes=4 * truths.boxes, areas=16 * truths.areas)
    scaled = numbers(replace(predictions, boxes=4 * predictions.boxes), larger, protocol)
    plain = numbers(predictions, truths, protocol)
    of_sizes = {"APs", "APm", "APl", "ARs", "ARm", "ARl"}  # do change
    for document in (scaled, plain):
        document["coco"] = {
            name: value for name, value in document.get("coco", {}).items() if name not in of_sizes
        }
    assert scaled == plain


@given(cases(), protocols)
@few
def test_classes_may_change_places(case, protocol):
    predictions, truths, _ = case
    swapped = numbers(
        replace(predictions, labels=1 - predictions.labels),
        replace(truths, labels=1 - truths.labels),
        protocol,
    )
    plain = numbers(predictions, truths, protocol)
    assert swapped["per_class"] == plain["per_class"][::-1]
    assert swapped["mean_average_precision"] == pytest.approx(plain["mean_average_precision"])


@given(cases(), protocols)
@few
def test_an_image_with_nothing_in_it_changes_nothing(case, protocol):
    predictions, truths, _ = case
    plain = numbers(predictions, truths, protocol)
    more = numbers(predictions, replace(truths, num_images=NUM_IMAGES + 1), protocol)
    assert more == {**plain, "images": NUM_IMAGES + 1}


@given(cases(), protocols)
@few
def test_only_the_order_of_scores_matters_to_average_precision(case, protocol):
    predictions, truths, _ = case
    squared = numbers(replace(predictions, scores=predictions.scores**2), truths, protocol)
    plain = numbers(predictions, truths, protocol)
    assert squared["mean_average_precision"] == plain["mean_average_precision"]
    for ours, theirs in zip(squared["per_class"], plain["per_class"], strict=True):
        assert ours["precision_at_recall"] == theirs["precision_at_recall"]


@given(cases(), protocols)
@few
def test_false_positives_below_all_others_cost_nothing(case, protocol):
    """But a threshold that lets them in does: precision at every recall is the best on offer."""
    predictions, truths, random = case
    far_away = some_boxes(random, 5) + 1000
    fppi = Predictions(
        images=random.integers(0, NUM_IMAGES, 5),
        boxes=far_away,
        scores=np.linspace(0.01, 0.05, 5),
        labels=random.integers(0, NUM_CLASSES, 5),
    )
    more = numbers(joined(predictions, fppi), truths, protocol)
    plain = numbers(predictions, truths, protocol)
    assert more["mean_average_precision"] == pytest.approx(plain["mean_average_precision"])
    for ours, theirs in zip(more["per_class"], plain["per_class"], strict=True):
        assert ours["precision_at_recall"] == theirs["precision_at_recall"]
        assert ours["best_f1"] == theirs["best_f1"]


def joined(first, second):
    columns = ("images", "boxes", "scores", "labels")
    return Predictions(
        *(np.concatenate([getattr(first, one), getattr(second, one)]) for one in columns)
    )


@given(cases())
@few
def test_a_stricter_iou_threshold_never_finds_more_objects(case):
    predictions, truths, _ = case
    found = [
        find_true_positives(
            predictions, truths, ignore=truths.crowd, iou_threshold=step / 20
        ).true_positive.sum()
        for step in range(1, 21)
    ]
    assert found == sorted(found, reverse=True)


@given(cases())
@few
def test_a_crowd_region_over_the_image_ignores_every_false_positive(case):
    predictions, truths, _ = case
    everywhere = np.array([[-1e4, -1e4, 1e4, 1e4]] * (NUM_IMAGES * NUM_CLASSES))
    images, labels = np.divmod(np.arange(len(everywhere)), NUM_CLASSES)
    no, yes = np.zeros(len(everywhere), np.bool_), np.ones(len(everywhere), np.bool_)
    forgiving = Truths(
        images=np.concatenate([truths.images, images]),
        boxes=np.concatenate([truths.boxes, everywhere]),
        labels=np.concatenate([truths.labels, labels]),
        difficult=np.concatenate([truths.difficult, no]),
        crowd=np.concatenate([truths.crowd, yes]),
        areas=np.concatenate([truths.areas, no + 4e8]),
        num_images=NUM_IMAGES,
    )
    curves = find_class_curves(predictions, forgiving, NUM_CLASSES, protocol=Protocol.COCO)
    for curve in curves:
        assert curve is None or (curve.precision == 1).all()
