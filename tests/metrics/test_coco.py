from __future__ import annotations

from dataclasses import replace

import hotcoco
import numpy as np
import pytest

from singleshot.metrics import Predictions, Truths
from singleshot.metrics.coco import CocoNumbers, as_coco, as_rows, coco_numbers


def case(seed: int) -> tuple[Predictions, Truths]:
    """Seven images, some empty, with crowds and ties of scores and overlaps; in no order."""
    random = np.random.default_rng(seed)
    corners = random.integers(0, 60, (40, 2))
    sizes = random.integers(6, 60, (40, 2))
    truths = Truths(
        images=random.integers(0, 7, 40) % 6,
        boxes=np.hstack([corners, corners + sizes]).astype(np.float64),
        labels=random.integers(0, 2, 40),
        difficult=np.zeros(40, bool),
        crowd=random.random(40) < 0.1,
        areas=np.prod(sizes, axis=1).astype(np.float64),
        num_images=7,
    )
    own = random.integers(0, 40, 300)
    shifts = random.integers(-3, 4, (300, 4))
    scores = random.integers(0, 20, 300) / 20
    found = Predictions(truths.images[own], truths.boxes[own] + shifts, scores, truths.labels[own])
    return found, truths


def at_once(predictions: Predictions, truths: Truths) -> dict[str, float | None]:
    truth = as_coco(truths, 3)
    evaluator = hotcoco.COCOeval(truth, truth.load_res(as_rows(predictions)), "bbox")
    evaluator.evaluate()
    evaluator.accumulate()
    evaluator.summary_lines()
    results = evaluator.get_results()
    return {name: results[name] if results[name] >= 0 else None for name in CocoNumbers._fields}


@pytest.mark.parametrize("images_at_once", [1, 2, 3, 7])
@pytest.mark.parametrize("seed", range(10))
def test_some_images_at_a_time_give_the_very_numbers_of_all_at_once(
    monkeypatch, images_at_once, seed
):
    monkeypatch.setattr("singleshot.metrics.coco.DETECTIONS_AT_ONCE", 0)
    monkeypatch.setattr("singleshot.metrics.coco.IMAGES_AT_ONCE", images_at_once)
    predictions, truths = case(seed)
    numbers, per_class = coco_numbers(predictions, truths, 3)
    assert numbers._asdict() == at_once(predictions, truths)
    assert 0.1 < numbers.AP < 0.9
    assert per_class[2] == (None, None)
    assert pytest.approx(np.mean(per_class[:2], axis=0)) == (numbers.AP, numbers.AP50)


def test_without_images_all_is_undefined():
    predictions, truths = case(0)
    none = Truths(
        *(
            column[:0]
            for column in (
                truths.images,
                truths.boxes,
                truths.labels,
                truths.difficult,
                truths.crowd,
                truths.areas,
            )
        ),
        num_images=0,
    )
    assert coco_numbers(predictions[:0], none, 1) == (CocoNumbers(*[None] * 12), [(None, None)])


def test_truths_of_no_detection_count_as_missed():
    predictions, truths = case(1)
    plain = replace(truths, crowd=np.zeros(40, bool))
    numbers, per_class = coco_numbers(predictions[:0], plain, 2)
    assert (numbers.AP, numbers.AR100, per_class) == (0, 0, [(0, 0)] * 2)
