from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
from detection_cases import annotated, found, random_case
from hypothesis import given, settings
from hypothesis import strategies as st

from singleshot.metrics import Protocol, Truths, find_class_curves
from singleshot.metrics.coco import coco_numbers
from singleshot.metrics.diagnosis import find_slices

SMALL = (0, 0, 20, 20)
MEDIUM = (100, 100, 150, 150)
LARGE = (200, 200, 400, 400)
TALL = (0, 0, 10, 30)
WIDE = (100, 100, 130, 110)


def slices(predictions, truths, *, num_classes=1, attributes=None, **options):
    options = {"protocol": Protocol.VOC10, "iou_threshold": 0.5} | options
    options.setdefault("score_thresholds", np.zeros(num_classes))
    found_slices = find_slices(
        predictions, truths, num_classes, attributes=attributes or {}, **options
    )
    return {(one.by, one.name): one for one in found_slices}


def numbers(one):
    return one.truths, one.average_precision, one.recall


def test_each_size_has_its_own_numbers():
    objects = annotated(SMALL, MEDIUM, LARGE)
    by_size = slices(found(LARGE, (100, 100, 150, 120)), objects)
    assert numbers(by_size["box size", "small"]) == (1, 0, 0)
    assert numbers(by_size["box size", "medium"]) == (1, 0, 0)
    assert numbers(by_size["box size", "large"]) == (1, 1, 1)


def test_bounds_of_sizes_belong_to_medium_and_a_truth_has_its_own_area():
    objects = annotated((0, 0, 32, 32), (0, 0, 96, 96), LARGE)
    objects = replace(objects, areas=np.array([1024.0, 9216.0, 50.0]))
    by_size = slices(found(), objects)
    assert [by_size["box size", name].truths for name in ("small", "medium", "large")] == [1, 2, 0]
    assert numbers(by_size["box size", "large"]) == (0, None, None)


def test_false_positives_of_another_size_and_true_positives_of_other_truths_are_ignored():
    false_positive_before = found((600, 600, 900, 900), MEDIUM, SMALL)
    by_size = slices(false_positive_before, annotated(SMALL, MEDIUM))
    assert numbers(by_size["box size", "small"]) == (1, 1, 1)
    whole = slices(
        replace(false_positive_before, boxes=false_positive_before.boxes[[2, 1, 2]]),
        annotated(MEDIUM),
    )
    assert numbers(whole["box size", "medium"]) == (1, 1, 1)


def test_tall_and_wide_have_more_than_twice_one_side():
    objects = annotated(TALL, WIDE, (0, 0, 10, 20), (0, 0, 20, 10))
    by_aspect = slices(found(TALL), objects)
    assert numbers(by_aspect["aspect ratio", "tall"]) == (1, 1, 1)
    assert numbers(by_aspect["aspect ratio", "balanced"]) == (2, 0, 0)
    assert numbers(by_aspect["aspect ratio", "wide"]) == (1, 0, 0)


def test_crowding_counts_the_truths_of_an_image_that_count():
    images = [1] * 2 + [2] * 5 + [3] * 6 + [4] * 16 + [5] * 17
    objects = annotated(*[SMALL] * len(images), images=images, num_images=6)
    objects = replace(objects, difficult=np.arange(len(images)) == len(images) - 1)
    by_crowding = slices(found(), objects)
    names = [name for by, name in by_crowding if by == "crowding"]
    assert names == ["0–1 objects", "2–5 objects", "6–15 objects", "more than 15 objects"]
    assert [by_crowding["crowding", name].images for name in names] == [1, 2, 1, 2]
    assert [by_crowding["crowding", name].truths for name in names] == [0, 7, 6, 32]


def test_recall_is_about_the_score_thresholds_and_average_precision_about_all():
    by_size = slices(found(SMALL, scores=[0.4]), annotated(SMALL), score_thresholds=np.array([0.5]))
    assert numbers(by_size["box size", "small"]) == (1, 1, 0)


def test_attributes_are_in_the_order_of_the_alphabet_with_the_unknown_last():
    by_light = slices(
        found(SMALL, images=[1]),
        annotated(SMALL, SMALL, images=[0, 1], num_images=3),
        attributes={"light": ("night", "day", "")},
    )
    assert [name for by, name in by_light if by == "light"] == ["day", "night", ""]
    assert numbers(by_light["light", "day"]) == (1, 1, 1)
    assert numbers(by_light["light", "night"]) == (1, 0, 0)
    assert by_light["light", ""].images == 1
    assert numbers(by_light["light", ""]) == (0, None, None)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from(Protocol))
def test_a_slice_of_images_equals_these_images_evaluated_alone(seed, protocol):
    predictions, truths = random_case(seed, num_images=4)
    inside = np.array([True, False, True, True])
    sliced = slices(
        predictions,
        truths,
        num_classes=3,
        protocol=protocol,
        attributes={"inside": ["yes" if one else "no" for one in inside]},
    )["inside", "yes"]
    alone = of_images(truths, inside)
    curves = find_class_curves(predictions[inside[predictions.images]], alone, 3, protocol=protocol)
    areas = [protocol.area(one.recall, one.precision) for one in curves if one is not None]
    assert sliced.average_precision == (sum(areas) / len(areas) if areas else None)
    assert (sliced.images, sliced.truths) == (3, len(alone))


def of_images(truths, inside):
    here = inside[truths.images]
    columns = {field.name: getattr(truths, field.name) for field in fields(Truths)}
    return Truths(
        **{
            name: column[here] if isinstance(column, np.ndarray) else column
            for name, column in columns.items()
        }
    )


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32))
def test_sizes_agree_with_coco_where_all_iou_thresholds_give_the_same_matches(seed):
    """Exact boxes are true positives at all ten thresholds; odd sides give no area on a bound."""
    random = np.random.default_rng(seed)
    count = 20
    corners = np.arange(count)[:, None] * [1000.0, 0.0]
    boxes = np.hstack([corners, corners + 2 * random.integers(2, 100, (count, 2)) + 1])
    objects = annotated(*boxes, labels=random.integers(0, 2, count))
    chosen = random.permutation(count)[:15]
    strays = boxes[:5] + np.array([0, 500, 0, 500])
    predictions = found(
        *boxes[chosen],
        *strays,
        scores=random.permutation(20) / 20,
        labels=[*objects.labels[chosen], *random.integers(0, 2, 5)],
    )
    ours = slices(predictions, objects, num_classes=2, protocol=Protocol.COCO)
    theirs, _ = coco_numbers(predictions, objects, 2)
    for name, number in (("small", theirs.APs), ("medium", theirs.APm), ("large", theirs.APl)):
        own = ours["box size", name].average_precision
        assert own == (None if number is None else pytest.approx(number))
