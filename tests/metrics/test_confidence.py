from __future__ import annotations

import json
import math

import numpy as np
import pytest

from singleshot.metrics import Predictions, Protocol, Truths, compute_metrics, estimate_confidence
from singleshot.metrics import confidence as confidence_module
from singleshot.metrics.bootstrap import draw_mean_precisions, each_weights
from singleshot.metrics.coco import coco_numbers
from singleshot.metrics.confidence import SEED, at_first_threshold, num_draws
from singleshot.metrics.weighted_average_precision import outcomes_per_class

NAMES = ("cat", "dog")


def scene(random: np.random.Generator, num_images: int) -> tuple[Truths, Predictions]:
    """Images with two to five objects side by side; in hard ones, boxes are worse and missed."""
    counts = random.integers(2, 6, num_images)
    hard = random.uniform(0.5, 2, num_images)
    images = np.repeat(np.arange(num_images), counts)
    place = np.arange(len(images)) - np.repeat(counts.cumsum() - counts, counts)
    corners = np.stack([place * 50.0, np.zeros(len(images))], axis=1)
    boxes = np.hstack([corners, corners + 30])
    labels = random.choice(2, len(images), p=(0.8, 0.2))
    none = np.zeros(len(images), bool)
    truths = Truths(images, boxes, labels, none, none, np.full(len(images), 900.0), num_images)
    found = random.random(len(images)) > 0.15 * hard[images]
    moved = boxes[found] + random.normal(0, 1.5, (found.sum(), 4)) * hard[images[found], None]
    false_ones = np.flatnonzero(random.random(len(images)) < 0.3)
    beside = boxes[false_ones] + np.array([0, 200, 0, 200])
    scores = random.beta(4, 2, found.sum()), random.beta(2, 3, len(false_ones))
    return truths, Predictions(
        np.concatenate([images[found], images[false_ones]]),
        np.concatenate([moved, beside]),
        np.concatenate(scores),
        np.concatenate([labels[found], labels[false_ones]]),
    )


def copies_of(truths: Truths, found: Predictions, counts: np.ndarray) -> tuple[Truths, Predictions]:
    """Image i as often as counts[i], as so many images."""
    drawn = np.repeat(np.arange(len(counts)), counts)
    rows = [np.flatnonzero(truths.images == image) for image in drawn]
    own = [np.flatnonzero(found.images == image) for image in drawn]
    numbers = np.repeat(np.arange(len(drawn)), [len(one) for one in rows])
    of_found = np.repeat(np.arange(len(drawn)), [len(one) for one in own])
    r, o = np.concatenate(rows), np.concatenate(own)
    columns = (truths.labels, truths.difficult, truths.crowd, truths.areas)
    return (
        Truths(numbers, truths.boxes[r], *(one[r] for one in columns), len(drawn)),
        Predictions(of_found, found.boxes[o], found.scores[o], found.labels[o]),
    )


def test_each_draw_is_cocos_evaluation_of_the_images_that_were_drawn():
    truths, found = scene(np.random.default_rng(0), 12)
    outcomes = outcomes_per_class(found, truths, 2, protocol=Protocol.COCO, iou_threshold=0.5)
    means = draw_mean_precisions(
        [outcomes, at_first_threshold(outcomes)],
        truths,
        protocol=Protocol.COCO,
        resamples=25,
        seed=SEED,
    )
    weights = np.concatenate(
        list(each_weights(truths, 25, np.random.default_rng(SEED))), axis=1
    ).astype(int)
    assert weights.shape == (12, 26)
    for draw, counts in enumerate(weights.T):
        resampled, detections = copies_of(truths, found, counts)
        numbers, _ = coco_numbers(detections, resampled, 2)
        assert means[0][draw] == pytest.approx(numbers.AP, abs=1e-12)
        assert means[1][draw] == pytest.approx(numbers.AP50, abs=1e-12)


@pytest.mark.parametrize("protocol", list(Protocol))
def test_the_value_is_that_of_the_report_and_the_interval_holds_it(protocol):
    truths, found = scene(np.random.default_rng(1), 30)
    interval = estimate_confidence(found, truths, 2, protocol=protocol)
    report = compute_metrics(found, truths, NAMES, protocol=protocol)
    value, low, high = interval.mean_average_precision
    assert value == pytest.approx(report.mean_average_precision, abs=1e-12)
    assert 0 < low < value < high < 1
    assert (interval.images, interval.resamples, interval.confidence) == (30, 1000, 0.95)
    assert interval.note() is None
    if report.coco is None:
        assert interval.AP50 is None
    else:
        assert interval.AP50.value == pytest.approx(report.coco.AP50, abs=1e-12)
        assert interval.AP50.low < interval.AP50.value < interval.AP50.high


def test_the_same_detections_have_the_same_interval():
    truths, found = scene(np.random.default_rng(1), 10)
    first, again = (estimate_confidence(found, truths, 2, protocol=Protocol.COCO) for _ in range(2))
    assert first == again


@pytest.mark.parametrize("number", [0, 1])  # AP, AP50
def test_of_a_hundred_intervals_about_95_hold_the_true_value(monkeypatch, number):
    monkeypatch.setattr(confidence_module, "MOST_DRAWS", 150)
    random = np.random.default_rng(2)
    truths, found = scene(random, 8000)
    numbers, _ = coco_numbers(found, truths, 2)
    true_value = numbers[number]
    held, sets = 0, 150
    for _ in range(sets):
        truths, found = scene(random, 20)
        one = estimate_confidence(found, truths, 2, protocol=Protocol.COCO)
        _, low, high = (one.mean_average_precision, one.AP50)[number]
        held += low <= true_value <= high
    deviation = math.sqrt(0.95 * 0.05 / sets)
    assert held / sets == pytest.approx(0.95, abs=3 * deviation)


def test_four_times_the_images_halve_the_interval():
    widths = []
    for num_images in (100, 400):
        truths, found = scene(np.random.default_rng(3), num_images)
        one = estimate_confidence(found, truths, 2, protocol=Protocol.COCO)
        widths.append(one.mean_average_precision.high - one.mean_average_precision.low)
    assert widths[0] / widths[1] == pytest.approx(2, abs=0.4)


def test_too_few_images_have_no_interval_and_few_have_a_note():
    for num_images, note in ((4, "only 4 images have objects that count, too few"), (9, "rough")):
        truths, found = scene(np.random.default_rng(4), num_images)
        one = estimate_confidence(found, truths, 2, protocol=Protocol.COCO)
        assert note in (one.note() or "")
        assert (one.mean_average_precision.low is None) == (num_images == 4)
        assert (one.sentence() == "") == (num_images == 4)


def test_a_perfect_detector_has_no_interval():
    truths, _ = scene(np.random.default_rng(4), 30)
    perfect = Predictions(truths.images, truths.boxes, np.ones(len(truths)), truths.labels)
    one = estimate_confidence(perfect, truths, 2, protocol=Protocol.COCO)
    assert one.to_json()["AP50"] == {"low": None, "high": None}
    assert (one.mean_average_precision.low, one.sentence()) == (None, "")


def test_draws_are_fewer_for_many_detections_and_none_for_too_many(monkeypatch):
    assert num_draws(2_000, 500) == 1000
    assert num_draws(500_000, 36_000) == 117  # COCO's validation images, 100 detections in each
    assert num_draws(800_000, 36_000) == 0
    monkeypatch.setattr(confidence_module, "WORK", 1000)
    truths, found = scene(np.random.default_rng(4), 30)
    one = estimate_confidence(found, truths, 2, protocol=Protocol.COCO)
    assert (one.resamples, one.mean_average_precision) == (0, (None, None, None))
    assert "`compare` computes it" in (one.note() or "")


def test_json_and_sentence():
    truths, found = scene(np.random.default_rng(1), 30)
    one = estimate_confidence(found, truths, 2, protocol=Protocol.COCO)
    document = json.loads(json.dumps(one.to_json()))
    assert list(document) == [
        "confidence",
        "images",
        "resamples",
        "seed",
        "mean_average_precision",
        "AP50",
    ]
    ends = document["mean_average_precision"]
    assert f"({ends['low']:.3f} to {ends['high']:.3f}), AP50 " in one.sentence()
    assert one.sentence().endswith("95% confidence intervals by the choice of 30 images")
