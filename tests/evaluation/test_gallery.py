from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from singleshot.evaluation.gallery import (
    CropPlan,
    Outline,
    choose_galleries,
    choose_suspects,
    cut_crop,
    square_around,
)
from singleshot.metrics import Predictions, Protocol, Truths
from singleshot.metrics.diagnosis import Suspect, SuspectKind, diagnose
from singleshot.structures import Truth

NAMES = ["cat", "dog"]
TRUTHS = Truths.of(
    Truth.of(
        torch.tensor([[0.0, 0, 20, 20], [50, 50, 90, 90], [0, 60, 30, 90]]),
        torch.tensor([0, 1, 0]),
    ),
    torch.tensor([2, 3]),
)
FOUND = Predictions(
    images=np.array([0, 0, 0, 0, 1]),
    boxes=np.array(
        [[0, 0, 20, 20], [1, 0, 20, 20], [50, 50, 90, 90], [100, 0, 120, 20], [0, 60, 30, 69]],
        np.float64,
    ),
    scores=np.array([0.9, 0.8, 0.7, 0.95, 0.6]),
    labels=np.array([0, 0, 0, 1, 0]),
)


@pytest.fixture
def galleries(random):
    return {one.title: one for one in choose_galleries(diagnosed(), TRUTHS, random=random)}


def diagnosed(score_threshold: float = 0.0):
    return diagnose(
        FOUND,
        TRUTHS,
        NAMES,
        protocol=Protocol.VOC10,
        score_thresholds=np.full(2, score_threshold),
    )


def test_each_detection_hangs_where_it_belongs(galleries):
    assert {title: one.total for title, one in galleries.items()} == {
        "True positives": 1,
        "False negatives": 2,
        "Badly placed": 1,
        "Wrong class": 1,
        "Duplicate": 1,
        "Background": 1,
    }
    (duplicate,) = galleries["Duplicate"].crops
    assert (duplicate.image, duplicate.title, duplicate.detail) == (
        0,
        "cat",
        "score 0.80, IoU 0.95",
    )
    (confused,) = galleries["Wrong class"].crops
    assert confused.detail == "score 0.70, IoU 1.00, annotated dog"
    assert [one.style for one in confused.outlines] == ["annotated", "fp"]
    (alone,) = galleries["Background"].crops
    assert [one.style for one in alone.outlines] == ["fp"]
    misses = {one.title: one.detail for one in galleries["False negatives"].crops}
    assert misses == {"dog": "40 × 40 pixels", "cat": "30 × 30 pixels"}


def test_only_detections_above_the_threshold_are_shown(random):
    galleries = choose_galleries(diagnosed(0.92), TRUTHS, random=random)
    assert [(one.title, one.total) for one in galleries] == [
        ("False negatives", 3),
        ("Background", 1),
    ]


def test_crops_of_suspect_annotations_name_the_suspicion():
    box = (100.0, 0.0, 120.0, 20.0)
    suspects = (
        Suspect(0, SuspectKind.MISSING_ANNOTATION, box, 1, -1, 0.95),
        Suspect(0, SuspectKind.WRONG_CLASS, box, 0, 1, 0.9),
        Suspect(0, SuspectKind.DOUBLE_ANNOTATION, box, 0, 0, 0.8),
    )
    chosen = choose_suspects(replace(diagnosed(), suspects=suspects), TRUTHS)
    assert [(one.title, one.detail) for one in chosen.crops] == [
        ("dog", "not annotated?, detected with score 0.95"),
        ("cat", "another class?, detected with score 0.90, annotated dog"),
        ("cat", "annotated twice?, IoU 0.80"),
    ]
    assert [len(one.outlines) for one in chosen.crops] == [1, 2, 2]


def test_at_most_twelve_are_shown_of_many(random):
    many = 40
    truths = Truths.of(
        Truth.of(torch.tensor([[0.0, 0, 9, 9]]).repeat(many, 1), torch.zeros(many).long()),
        torch.arange(1, many + 1),
    )
    diagnosis = diagnose(
        FOUND[:0], truths, NAMES, protocol=Protocol.COCO, score_thresholds=np.zeros(2)
    )
    (misses,) = choose_galleries(diagnosis, truths, random=random)
    assert (misses.total, len(set(misses.crops))) == (many, 12)


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        ((40, 40, 60, 60), (34, 34, 66, 66)),  # 1.6 times its size
        ((0, 0, 20, 20), (0, 0, 32, 32)),  # moved into the image
        ((90, 90, 100, 100), (68, 68, 100, 100)),
        ((0, 0, 100, 100), (0, 0, 100, 100)),  # no more than the image
        ((50, 50, 52, 52), (35, 35, 67, 67)),  # no less than 32 pixels
    ],
)
def test_a_crop_is_a_square_within_the_image(box, expected):
    assert square_around([Outline(box, "tp")], 100, 100) == expected


def test_outlines_lie_where_they_lay_in_the_image():
    image = torch.zeros(3, 400, 400, dtype=torch.uint8)
    plan = CropPlan(0, (Outline((100.0, 100, 300, 300), "tp"),), "cat", "score 0.90")
    cut = cut_crop(plan, image, "folder/one.jpg")
    # 320 pixels around a box of 200 become 176: 60 pixels of room on each side become 33.
    assert (cut.width, cut.height, cut.name) == (176, 176, "one.jpg")
    assert cut.outlines[0].box == pytest.approx((33, 33, 143, 143), abs=0.1)
