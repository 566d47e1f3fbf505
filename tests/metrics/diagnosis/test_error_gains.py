from __future__ import annotations

import json
from functools import partial

import hotcoco
import numpy as np
import pytest
from detection_cases import (
    FAR,
    SQUARE,
    THIRD,
    annotated,
    found,
    match_greedily,
    nothing_ignored,
    random_case,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from singleshot.metrics import Protocol, find_true_positives
from singleshot.metrics.diagnosis import ErrorTotal, ErrorType, error_gains, find_errors

OTHER_NAMES = {
    "Cls": ErrorType.CLASS,
    "Loc": ErrorType.LOCALIZATION,
    "Both": ErrorType.BOTH,
    "Dupe": ErrorType.DUPLICATE,
    "Bkg": ErrorType.BACKGROUND,
    "Miss": ErrorType.MISSED,
    "FP": ErrorTotal.FALSE_POSITIVES,
    "FN": ErrorTotal.FALSE_NEGATIVES,
}


def gains(
    predictions, truths, *, num_classes=2, outcomes=None, protocol=Protocol.COCO, ignore=None
):
    ignore = nothing_ignored(truths) if ignore is None else ignore
    outcomes = outcomes or find_true_positives(
        predictions, truths, ignore=ignore, iou_threshold=0.5
    )
    errors = find_errors(predictions, truths, outcomes, ignore=ignore, iou_threshold=0.5)
    found_gains = error_gains(
        predictions,
        truths,
        outcomes,
        errors,
        ignore=ignore,
        num_classes=num_classes,
        protocol=protocol,
    )
    return {one.error: one for one in found_gains}


def tide_errors(predictions, truths, *, num_classes):
    # Ids count from 1: to COCO, 0 may mean "none".
    truth = hotcoco.COCO.from_arrays(
        images=[{"id": image + 1} for image in range(truths.num_images)],
        categories=[{"id": label + 1, "name": str(label)} for label in range(num_classes)],
        image_ids=truths.images + 1,
        category_ids=truths.labels + 1,
        boxes=to_xywh(truths.boxes),
        area=truths.areas,
        iscrowd=truths.crowd,
    )
    rows = [
        predictions.images + 1,
        to_xywh(predictions.boxes),
        predictions.scores,
        predictions.labels + 1,
    ]
    evaluator = hotcoco.COCOeval(truth, truth.load_res(np.column_stack(rows)), "bbox")
    evaluator.evaluate()
    return evaluator.tide_errors(pos_thr=0.5, bg_thr=0.1)


def to_xywh(boxes):
    return np.hstack([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]])


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 2**32))
def test_counts_and_gains_equal_those_of_tide_on_the_same_matches(seed):
    """TIDE matches like COCO, not like VOC: so it is given here COCO's true positives."""
    predictions, truths = random_case(seed)
    if not len(truths) or not len(predictions):
        return
    theirs = tide_errors(predictions, truths, num_classes=3)
    ours = gains(predictions, truths, num_classes=3, outcomes=match_greedily(predictions, truths))
    for name, error in OTHER_NAMES.items():
        if name in theirs["counts"]:
            assert ours[error].count == theirs["counts"][name], name
        assert ours[error].gain == pytest.approx(theirs["delta_ap"][name], abs=1e-12), name


def test_published_detections_of_cocoapi_have_the_gains_of_tide(shared):
    """Here no detection's best truth is taken, so that both rules find the same true positives."""
    predictions, truths = published_case(shared / "metric-cases" / "cocoapi_fakebbox100")
    theirs = tide_errors(predictions, truths, num_classes=80)
    ours = gains(predictions, truths, num_classes=80, ignore=truths.crowd)
    counts = [ours[error].count for error in ErrorType]
    assert counts == [83, 1, 0, 1, 0, 97]
    assert counts == [theirs["counts"][name] for name in list(OTHER_NAMES)[:6]]
    for name, error in OTHER_NAMES.items():
        assert ours[error].gain == pytest.approx(theirs["delta_ap"][name], abs=1e-12), name


def published_case(folder):
    document = json.loads((folder / "instances_val2014_100.json").read_text())
    results = json.loads((folder / "instances_val2014_fakebbox100_results.json").read_text())
    image_of = {one["id"]: index for index, one in enumerate(document["images"])}
    label_of = {one["id"]: index for index, one in enumerate(document["categories"])}
    # COCO ranks equal scores by image.
    results.sort(key=lambda one: image_of[one["image_id"]])
    predictions, truths = (
        make(
            *[(x, y, x + width, y + height) for x, y, width, height in column(rows, "bbox")],
            images=[image_of[image] for image in column(rows, "image_id")],
            labels=[label_of[category] for category in column(rows, "category_id")],
            **{key: column(rows, name) for key, name in more.items()},
        )
        for make, rows, more in (
            (found, results, {"scores": "score"}),
            (partial(annotated, num_images=100), document["annotations"], {"crowd": "iscrowd"}),
        )
    )
    return predictions, truths


def column(rows, name):
    return [row[name] for row in rows]


def test_a_fixed_class_error_becomes_a_true_positive_of_the_right_class():
    fixed = gains(found(SQUARE, labels=[1]), annotated(SQUARE))[ErrorType.CLASS]
    assert (fixed.count, fixed.gain) == (1, pytest.approx(1))


def test_only_the_best_scored_of_several_errors_on_a_truth_becomes_a_true_positive():
    twice = found(SQUARE, SQUARE, SQUARE, labels=[1, 1, 0], images=[0, 0, 1])
    objects = annotated(SQUARE, SQUARE, images=[0, 1])
    fixed = gains(twice, objects, protocol=Protocol.VOC10)[ErrorType.CLASS]
    assert (fixed.count, fixed.gain) == (
        2,
        0.5,
    )  # from one truth of two found to both, no false positive


def test_a_class_error_gains_nothing_after_a_better_scored_localization_error_on_the_truth():
    both = found(THIRD, SQUARE, scores=[0.9, 0.8], labels=[0, 1])
    fixed = gains(both, annotated(SQUARE))
    assert fixed[ErrorType.CLASS].count == 1
    assert fixed[ErrorType.CLASS].gain == 0
    assert fixed[ErrorType.LOCALIZATION].gain == pytest.approx(1)


def test_fixing_background_removes_a_false_positive_above_the_only_true_positive():
    fixed = gains(found(FAR, SQUARE), annotated(SQUARE), protocol=Protocol.VOC10)
    assert fixed[ErrorType.BACKGROUND].gain == 0.5
    assert fixed[ErrorTotal.FALSE_POSITIVES].gain == 0.5


def test_fixing_missed_truths_removes_the_truths():
    fixed = gains(found(SQUARE), annotated(SQUARE, FAR), protocol=Protocol.VOC10)
    for error in (ErrorType.MISSED, ErrorTotal.FALSE_NEGATIVES):
        assert (fixed[error].count, fixed[error].gain) == (1, 0.5)


def test_gains_are_undefined_without_truths_and_nothing_without_detections():
    assert {one.gain for one in gains(found(SQUARE), annotated()).values()} == {None}
    nothing_found = gains(found(), annotated(SQUARE))
    assert [one.gain for one in nothing_found.values()] == [0] * 8
    assert nothing_found[ErrorType.MISSED].count == 1
