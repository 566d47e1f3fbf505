from __future__ import annotations

import numpy as np
from detection_cases import FAR, SQUARE, annotated, found, nothing_ignored

from singleshot.metrics import find_true_positives
from singleshot.metrics.diagnosis import find_hardest


def hardest(kept, truths, *, ignore=None, most=20):
    ignore = nothing_ignored(truths) if ignore is None else np.array(ignore)
    outcomes = find_true_positives(kept, truths, ignore=ignore, iou_threshold=0.5)
    return [tuple(one) for one in find_hardest(kept, truths, outcomes, ignore=ignore, most=most)]


def test_lowest_f1_first_then_most_mistakes_then_the_first_image():
    objects = annotated(SQUARE, SQUARE, SQUARE, FAR, SQUARE, images=[0, 1, 2, 2, 3], num_images=5)
    kept = found(SQUARE, FAR, SQUARE, FAR, images=[0, 2, 3, 3])
    assert hardest(kept, objects) == [
        (1, 1, 0, 0.0),
        (2, 1, 0, 2 / 3),
        (3, 0, 1, 2 / 3),
    ]
    twice_missed = annotated(SQUARE, SQUARE, FAR, images=[0, 1, 1])
    assert [one[0] for one in hardest(found(), twice_missed)] == [1, 0]


def test_at_most_the_given_number_of_images_is_returned():
    objects = annotated(*[SQUARE] * 30, images=range(30), num_images=30)
    assert [one[0] for one in hardest(found(), objects, most=2)] == [0, 1]
    assert len(hardest(found(), objects)) == 20


def test_images_without_mistakes_are_not_hard():
    assert hardest(found(SQUARE), annotated(SQUARE)) == []
    assert hardest(found(), annotated(num_images=0)) == []


def test_ignored_detections_and_truths_are_no_mistakes():
    assert hardest(found(SQUARE), annotated(SQUARE, FAR), ignore=[True, True]) == []
