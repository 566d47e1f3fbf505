# Tests singleshot/metrics/coco_matching.py, singleshot/metrics/weighted_average_precision.py

from __future__ import annotations

import contextlib
import io
import json
from dataclasses import replace

import hotcoco
import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from singleshot.metrics import (
    Comparison,
    Interval,
    Predictions,
    Protocol,
    Truths,
    compare_by_bootstrap,
    compute_metrics,
)
from singleshot.metrics.average_precision import means_of_defined
from singleshot.metrics.bootstrap import each_weights, find_differences
from singleshot.metrics.coco import as_coco, as_rows, to_xywh
from singleshot.metrics.coco_matching import find_coco_true_positives
from singleshot.metrics.weighted_average_precision import (
    outcomes_per_class,
    weighted_average_precisions,
)

NAMES = ("cat", "dog", "unicorn")  # of unicorns there are no truths
each_protocol = pytest.mark.parametrize("protocol", list(Protocol))


def make_truths(random, *, num_images=6, num_truths=30, num_classes=2) -> Truths:
    corners = random.integers(0, 60, (num_truths, 2))
    sizes = random.integers(6, 40, (num_truths, 2))
    return Truths(
        images=np.sort(random.integers(0, num_images, num_truths)),
        boxes=np.hstack([corners, corners + sizes]).astype(np.float64),
        labels=random.integers(0, num_classes, num_truths),
        difficult=random.random(num_truths) < 0.1,
        crowd=random.random(num_truths) < 0.1,
        areas=np.prod(sizes, axis=1).astype(np.float64),
        num_images=num_images,
    )


def find_them(truths, random, *, num=90, shift=3.0, num_classes=2) -> Predictions:
    """Detections around the truths, a tenth with another label; all scores differ."""
    own = np.sort(random.integers(0, len(truths), num))
    boxes = truths.boxes[own] + random.normal(0, shift, (num, 4))
    boxes[:, 2:] = np.maximum(boxes[:, 2:], boxes[:, :2] + 1)
    other = random.integers(0, num_classes, num)
    labels = np.where(random.random(num) < 0.1, other, truths.labels[own])
    return Predictions(truths.images[own], boxes, random.permutation(num) / num, labels)


def repeated(columns, counts):
    """The same with image i as often as counts[i], as so many images side by side."""
    firsts = np.cumsum(counts) - counts
    rows, images = [], []
    for image, count in enumerate(counts):
        own = np.flatnonzero(columns.images == image)
        for copy in range(count):
            rows.append(own)
            images.append(np.full(len(own), firsts[image] + copy))
    rows, images = np.concatenate(rows), np.concatenate(images)
    names = [name for name in columns.__dataclass_fields__ if name not in ("images", "num_images")]
    chosen = {name: getattr(columns, name)[rows] for name in names}
    if isinstance(columns, Truths):
        return Truths(**chosen, images=images, num_images=int(np.sum(counts)))
    return Predictions(**chosen, images=images)


def by_pycocotools(predictions, truths, num_classes) -> list[float]:
    """AP of each class over COCO's ten thresholds; NaN where undefined."""
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = {
            "images": [{"id": image} for image in range(1, truths.num_images + 1)],
            "categories": [{"id": label + 1} for label in range(num_classes)],
            "annotations": [
                {
                    "id": index + 1,
                    "image_id": int(truths.images[index]) + 1,
                    "category_id": int(truths.labels[index]) + 1,
                    "bbox": to_xywh(truths.boxes)[index].tolist(),
                    "area": float(truths.areas[index]),
                    "iscrowd": int(truths.crowd[index]),
                }
                for index in range(len(truths))
            ],
        }
        truth.createIndex()
        evaluator = COCOeval(truth, truth.loadRes(as_rows(predictions)), "bbox")
        evaluator.evaluate()
        evaluator.accumulate()
    precision = evaluator.eval["precision"][:, :, :, 0, -1]
    means = [float(precision[:, :, label].mean()) for label in range(num_classes)]
    return [np.nan if mean < 0 else mean for mean in means]


def precisions(predictions, truths, counts, protocol):
    outcomes = outcomes_per_class(predictions, truths, 3, protocol=protocol, iou_threshold=0.5)
    weights = np.array(counts, np.float64)[:, None]
    return weighted_average_precisions(outcomes, weights, protocol=protocol)[:, 0]


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("protocol", [Protocol.VOC07, Protocol.VOC10])
def test_a_weight_of_w_is_w_copies_of_the_image_by_vocs_rules(protocol, seed):
    random = np.random.default_rng(seed)
    truths = make_truths(random)
    predictions = find_them(truths, random)
    counts = random.integers(0, 4, truths.num_images)
    copies = repeated(predictions, counts), repeated(truths, counts)
    per_class = compute_metrics(*copies, NAMES, protocol=protocol).per_class.values()
    expected = [one.average_precision for one in per_class]
    found = precisions(predictions, truths, counts, protocol)
    np.testing.assert_allclose(found, np.array(expected, np.float64), atol=1e-12)


@pytest.mark.parametrize("seed", range(20))
def test_a_weight_of_w_is_w_copies_of_the_image_to_pycocotools(seed):
    random = np.random.default_rng(seed)
    truths = make_truths(random)
    predictions = find_them(truths, random)
    counts = random.integers(0, 4, truths.num_images)
    counts[0] = 3
    expected = by_pycocotools(repeated(predictions, counts), repeated(truths, counts), 3)
    found = precisions(predictions, truths, counts, Protocol.COCO)
    np.testing.assert_allclose(found, expected, atol=1e-12)
    assert np.isnan(found[2])


@pytest.mark.parametrize("seed", range(30))
def test_true_positives_are_those_of_coco_with_ties_and_crowds_and_more_than_a_hundred(seed):
    random = np.random.default_rng(seed)
    truths = make_truths(random, num_images=3)
    # Whole pixels and few different scores make many ties of both.
    found = find_them(truths, random, num=700 if seed < 5 else 150)
    tied = replace(found, boxes=np.round(found.boxes), scores=np.round(found.scores, 1))
    evaluator = hotcoco.COCOeval(truth := as_coco(truths, 2), truth.load_res(as_rows(tied)), "bbox")
    evaluator.params.area_rng, evaluator.params.area_rng_lbl = [[0, 1e10]], ["all"]
    evaluator.params.max_dets = [100]
    evaluator.evaluate()
    outcomes = find_coco_true_positives(tied, truths)
    evaluated = np.zeros(len(tied), bool)
    for entry in filter(None, evaluator.eval_imgs):
        if ids := entry["dtIds"]:
            own = np.array(ids) - 1
            matched, ignored = np.array(entry["dtMatched"]).T, np.array(entry["dtIgnore"]).T
            np.testing.assert_array_equal(outcomes.true_positive[own], matched & ~ignored)
            np.testing.assert_array_equal(outcomes.ignored[own], ignored)
            evaluated[own] = True
    assert outcomes.true_positive.sum() > 50
    assert outcomes.ignored[~evaluated].all()
    assert (~evaluated).any() == (seed < 5)


@each_protocol
def test_a_detector_against_itself_differs_by_nothing(protocol):
    random = np.random.default_rng(0)
    truths = make_truths(random, num_images=15, num_truths=80)
    found = find_them(truths, random)
    comparison = compare_by_bootstrap(found, found, truths, NAMES, protocol=protocol, resamples=50)
    assert comparison.mean_average_precision == (0, 0, 0, 0.5, 15)
    assert comparison.per_class["dog"] == (0, 0, 0, 0.5, 14)
    assert comparison.per_class["unicorn"] == (None, None, None, None, 0)


@each_protocol
def test_the_difference_is_that_of_the_two_reports_and_a_better_detector_is_seen(protocol):
    random = np.random.default_rng(1)
    truths = make_truths(random, num_images=40, num_truths=200)
    sharp, blurred = (find_them(truths, random, num=400, shift=shift) for shift in (1, 8))
    comparison = compare_by_bootstrap(
        sharp, blurred, truths, NAMES, protocol=protocol, resamples=200
    )
    reports = [compute_metrics(one, truths, NAMES, protocol=protocol) for one in (sharp, blurred)]
    means = [report.mean_average_precision for report in reports]
    expected = means[0] - means[1]
    mean = comparison.mean_average_precision
    assert mean.difference == pytest.approx(expected, abs=1e-12)
    assert 0 < mean.low < mean.difference < mean.high
    assert mean.share_positive == 1
    swapped = compare_by_bootstrap(blurred, sharp, truths, NAMES, protocol=protocol, resamples=200)
    low, high = swapped.mean_average_precision[1:3]
    assert (-high, -low) == pytest.approx((mean.low, mean.high), abs=1e-12)


def by_hotcoco(predictions, truths) -> hotcoco.COCOeval:
    truth = as_coco(truths, 2)
    evaluator = hotcoco.COCOeval(truth, truth.load_res(as_rows(predictions)), "bbox")
    evaluator.evaluate()
    evaluator.accumulate()
    evaluator.summary_lines()
    return evaluator


def draws_of_two():
    """Two detectors of 80 images, and the differences of their COCO APs in 2,000 draws."""
    random = np.random.default_rng(2)
    truths = make_truths(random, num_images=80, num_truths=300)
    pair = [find_them(truths, random, num=500, shift=shift) for shift in (3, 3.4)]
    weights = np.hstack(list(each_weights(truths, 2000, np.random.default_rng(0))))
    return truths, pair, weights


def differences(truths, pair, weights):
    outcomes = (
        outcomes_per_class(found, truths, 2, protocol=Protocol.COCO, iou_threshold=0.5)
        for found in pair
    )
    by_class = find_differences(*outcomes, iter([weights]), protocol=Protocol.COCO)
    return means_of_defined(by_class)


def test_each_draw_differs_as_two_evaluations_of_the_images_drawn():
    truths, pair, weights = draws_of_two()
    found = differences(truths, pair, weights[:, :40])
    for draw in range(40):
        counts = weights[:, draw].astype(int)
        copies = [by_hotcoco(repeated(one, counts), repeated(truths, counts)) for one in pair]
        first, second = (copy.get_results()["AP"] for copy in copies)
        assert found[draw] == pytest.approx(first - second, abs=1e-12)


def test_hotcocos_interval_is_narrower_because_it_counts_an_image_drawn_twice_once():
    truths, pair, weights = draws_of_two()
    # hotcoco gives the second minus the first.
    theirs = hotcoco.compare(*map(by_hotcoco, pair[::-1], [truths] * 2), n_bootstrap=2000)["ci"]
    lower, upper = theirs["AP"]["lower"], theirs["AP"]["upper"]
    once = differences(truths, pair, np.minimum(weights, 1))
    # A quantile of 2,000 draws errs by about 3 % of the width.
    assert np.quantile(once, [0.025, 0.975]) == pytest.approx(
        [lower, upper], abs=0.08 * (upper - lower)
    )
    mean = compare_by_bootstrap(*pair, truths, NAMES, protocol=Protocol.COCO, resamples=2000)
    difference, low, high, *_ = mean.mean_average_precision
    assert low < lower < difference < upper < high
    assert 1.2 < (high - low) / (upper - lower) < 1.4


def test_between_equals_nineteen_intervals_of_twenty_hold_zero():
    random = np.random.default_rng(3)
    held = []
    for _ in range(200):
        truths = make_truths(random, num_images=50, num_truths=100, num_classes=1)
        pair = [find_them(truths, random, num=150, shift=4, num_classes=1) for _ in range(2)]
        comparison = compare_by_bootstrap(
            *pair, truths, ["cat"], protocol=Protocol.VOC10, resamples=200
        )
        _, low, high, *_ = comparison.mean_average_precision
        held.append(low <= 0 <= high)
    assert 0.91 <= np.mean(held) <= 0.985


def test_a_narrower_interval_holds_less():
    random = np.random.default_rng(4)
    truths = make_truths(random, num_images=30, num_truths=100)
    pair = find_them(truths, random), find_them(truths, random)
    wide, narrow = (
        compare_by_bootstrap(
            *pair, truths, NAMES, protocol=Protocol.VOC10, confidence=confidence
        ).mean_average_precision
        for confidence in (0.95, 0.5)
    )
    assert wide.low < narrow.low < narrow.high < wide.high
    assert wide.share_positive == narrow.share_positive


def test_the_same_seed_draws_the_same_images():
    random = np.random.default_rng(5)
    truths = make_truths(random, num_images=30, num_truths=100)
    pair = find_them(truths, random), find_them(truths, random)
    first, again, other = (
        compare_by_bootstrap(
            *pair, truths, NAMES, protocol=Protocol.VOC07, resamples=100, seed=seed
        )
        for seed in (7, 7, 8)
    )
    assert first == again
    assert first.mean_average_precision != other.mean_average_precision


def test_each_draw_takes_as_many_images_as_there_are_some_draws_at_a_time(monkeypatch):
    monkeypatch.setattr("singleshot.metrics.bootstrap.NUMBERS_AT_ONCE", 100)
    truths = make_truths(np.random.default_rng(6), num_images=30)
    once, *drawn = each_weights(truths, 10, np.random.default_rng(0))
    assert once.tolist() == [[1]] * 30
    assert [weights.shape for weights in drawn] == [(30, 3), (30, 3), (30, 3), (30, 1)]
    assert {total for weights in drawn for total in weights.sum(axis=0)} == {30}


def test_without_truths_everything_is_undefined_and_null_in_json():
    random = np.random.default_rng(0)
    truths = make_truths(random)
    found = find_them(truths, random)
    none = replace(truths, crowd=np.ones(len(truths), bool))
    comparison = compare_by_bootstrap(
        found, found, none, NAMES, protocol=Protocol.COCO, resamples=10
    )
    assert comparison == Comparison(
        protocol=Protocol.COCO,
        iou_threshold=0.5,
        images=6,
        resamples=10,
        seed=0,
        confidence=0.95,
        mean_average_precision=Interval(None, None, None, None, 0),
        per_class=dict.fromkeys(NAMES, Interval(None, None, None, None, 0)),
    )
    document = json.loads(json.dumps(comparison.to_json()))
    assert document["protocol"] == "coco"
    assert document["per_class"]["cat"] == {
        "difference": None,
        "low": None,
        "high": None,
        "share_positive": None,
        "images": 0,
    }


def test_detectors_that_find_nothing_are_equal():
    truths = make_truths(np.random.default_rng(0))
    nothing = Predictions.of([])
    comparison = compare_by_bootstrap(
        nothing, nothing, truths, NAMES, protocol=Protocol.VOC07, resamples=10
    )
    assert comparison.mean_average_precision == (0, 0, 0, 0.5, 6)


@each_protocol
@pytest.mark.parametrize("seed", range(10))
def test_with_many_equal_scores_the_difference_is_still_that_of_the_two_reports(protocol, seed):
    random = np.random.default_rng(seed)
    truths = make_truths(random, num_images=12, num_truths=60)
    pair = [find_them(truths, random, num=300, shift=shift) for shift in (2, 3)]
    # Three scores, in no order of the images.
    tied = [
        replace(one, scores=np.round(one.scores * 2) / 2)[random.permutation(len(one))]
        for one in pair
    ]
    assert (np.diff(tied[0].images) < 0).any()
    comparison = compare_by_bootstrap(*tied, truths, NAMES, protocol=protocol, resamples=1)
    first, second = (compute_metrics(one, truths, NAMES, protocol=protocol) for one in tied)
    expected = first.mean_average_precision - second.mean_average_precision
    assert comparison.mean_average_precision.difference == pytest.approx(expected, abs=1e-12)
    for name in NAMES[:2]:
        pair = [one.per_class[name].average_precision for one in (first, second)]
        assert comparison.per_class[name].difference == pytest.approx(pair[0] - pair[1], abs=1e-12)


@pytest.mark.parametrize(("num_images", "known"), [(4, False), (5, True)])
def test_truths_in_fewer_than_five_images_are_too_few_for_an_interval(num_images, known):
    """The first finds the cat of each image, the second none of them."""
    boxes = np.tile([0.0, 0, 10, 10], (num_images, 1))
    images, cats = np.arange(num_images), np.zeros(num_images, np.int64)
    none = np.zeros(num_images, np.bool_)
    truths = Truths(images, boxes, cats, none, none, np.full(num_images, 100.0), num_images=50)
    found = Predictions(images, boxes, np.full(num_images, 0.9), cats)
    comparison = compare_by_bootstrap(
        found, found[:0], truths, ["cat"], protocol=Protocol.VOC10, resamples=200
    )
    expected = (1, 1, 1, 1) if known else (1, None, None, None)
    for one in (comparison.per_class["cat"], comparison.mean_average_precision):
        assert one == pytest.approx((*expected, num_images))


def test_a_draw_in_which_both_are_equal_counts_half_for_each():
    """They differ in one image of ten, which (9/10)^10 = 35 % of the draws leave out."""
    boxes = np.tile([0.0, 0, 10, 10], (10, 1))
    images, cats, none = np.arange(10), np.zeros(10, np.int64), np.zeros(10, np.bool_)
    truths = Truths(images, boxes, cats, none, none, np.full(10, 100.0), num_images=10)
    found = Predictions(images, boxes, np.full(10, 0.9), cats)
    pair = found, found[1:]
    share, swapped = (
        compare_by_bootstrap(*two, truths, ["cat"], protocol=Protocol.VOC10, resamples=2000)
        .per_class["cat"]
        .share_positive
        for two in (pair, pair[::-1])
    )
    assert share == pytest.approx(1 - 0.9**10 / 2, abs=0.02)
    assert share + swapped == pytest.approx(1)
