from __future__ import annotations

import json
from dataclasses import fields
from itertools import pairwise

import pytest
import torch

from singleshot.metrics import ClassReport, Predictions, Protocol, Truths, compute_metrics
from singleshot.structures import Detections, Truth

BOXES = torch.tensor([[0.0, 0, 40, 40], [50, 50, 150, 150], [10, 60, 30, 90]])
LABELS = torch.tensor([0, 1, 0])
NAMES = ("cat", "dog")
ANNOTATED = Truth.of(BOXES, LABELS)
EMPTY = Truth.of(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64))
each_protocol = pytest.mark.parametrize("protocol", list(Protocol))


def truths(truth: Truth = ANNOTATED) -> Truths:
    """Two images: one annotated, one without objects."""
    return Truths.of(truth, torch.tensor([len(truth), len(truth)]))


def found(keep=slice(None)) -> Predictions:
    perfect = Detections(BOXES, torch.tensor([0.9, 0.8, 0.7]), LABELS)
    return Predictions.of([perfect[keep], perfect[:0]])


@each_protocol
def test_truth_given_as_predictions_scores_one(protocol):
    report = compute_metrics(found(), truths(), NAMES, protocol=protocol)
    assert report.mean_average_precision == pytest.approx(1)
    assert (report.images, report.truths, report.detections) == (2, 3, 3)
    for name in NAMES:
        assert report.per_class[name].average_precision == pytest.approx(1)
        assert report.per_class[name].best_f1.f1 == 1
        assert report.per_class[name].precision_at_recall == {0.5: 1, 0.8: 1, 0.9: 1}


@each_protocol
def test_no_detections_score_zero(protocol):
    report = compute_metrics(found(slice(0)), truths(), NAMES, protocol=protocol)
    assert report.mean_average_precision == 0
    assert report.per_class["cat"].average_precision == 0
    assert report.per_class["cat"].recall_at_precision == {0.8: 0, 0.9: 0, 0.95: 0}
    assert report.per_class["cat"].best_f1 == (0, None, None, 0)


@each_protocol
def test_without_truths_everything_is_undefined(protocol):
    report = compute_metrics(found(), truths(EMPTY), NAMES, protocol=protocol)
    assert report.mean_average_precision is None
    assert report.per_class["dog"].average_precision is None
    assert report.per_class["dog"].precision_at_recall == {0.5: None, 0.8: None, 0.9: None}
    assert report.per_class["dog"].best_f1 == (None, None, None, None)


@each_protocol
def test_a_class_without_truths_does_not_lower_the_mean(protocol):
    report = compute_metrics(found(), truths(), (*NAMES, "unicorn"), protocol=protocol)
    assert report.per_class["unicorn"].truths == 0
    assert report.per_class["unicorn"].average_precision is None
    assert report.mean_average_precision == pytest.approx(1)


@pytest.mark.parametrize("field", ["difficult", "crowd"])
@each_protocol
def test_voc_ignores_difficult_and_crowd_but_coco_only_crowd(protocol, field):
    truth = Truth.of(BOXES, LABELS)
    getattr(truth, field)[2] = True
    report = compute_metrics(found(slice(2)), truths(truth), NAMES, protocol=protocol)
    missed = protocol is Protocol.COCO and field == "difficult"
    assert report.per_class["cat"].truths == (2 if missed else 1)
    assert report.per_class["cat"].average_precision == pytest.approx(
        0.5 if missed else 1, abs=0.01
    )


@each_protocol
def test_json_is_the_documented_one_and_comes_back(protocol):
    report = compute_metrics(found(), truths(), NAMES, protocol=protocol)
    document = json.loads(json.dumps(report.to_json()))
    expected = [
        "protocol",
        "iou_threshold",
        "images",
        "truths",
        "detections",
        "mean_average_precision",
        "per_class",
    ]
    assert list(document) == expected + ["coco"] * (protocol is Protocol.COCO)
    assert document["protocol"] == protocol.value
    assert list(document["per_class"]) == ["cat", "dog"]
    cat = document["per_class"]["cat"]
    assert cat["average_precision"] == pytest.approx(1)
    assert cat["truths"] == 2
    assert list(cat["precision_at_recall"]) == ["0.5", "0.8", "0.9"]
    assert list(cat["recall_at_precision"]) == ["0.8", "0.9", "0.95"]
    assert list(cat["best_f1"]) == ["f1", "score_threshold", "precision", "recall"]


def test_the_metrics_of_a_class():
    assert [field.name for field in fields(ClassReport)] == [
        "average_precision",
        "truths",
        "precision_at_recall",
        "recall_at_precision",
        "best_f1",
    ]


def test_coco_numbers_have_the_names_of_coco_and_null_for_undefined():
    document = compute_metrics(found(slice(0)), truths(), NAMES, protocol=Protocol.COCO).to_json()
    assert " ".join(document["coco"]) == "AP AP50 AP75 APs APm APl AR1 AR10 AR100 ARs ARm ARl"
    no_small = Truth.of(BOXES[1:2], LABELS[1:2])
    report = compute_metrics(found(), truths(no_small), NAMES, protocol=Protocol.COCO)
    assert report.coco is not None
    assert report.coco.APs is None
    assert report.coco.APl == pytest.approx(1)


def test_coco_sorts_objects_by_the_area_annotated_not_by_that_of_the_box():
    truth = Truth.of(BOXES[1:2], LABELS[1:2])
    truth.areas[0] = 500
    report = compute_metrics(found(), truths(truth), NAMES, protocol=Protocol.COCO)
    assert report.coco is not None
    assert report.coco.APl is None
    assert report.coco.APs == pytest.approx(1)


def test_computing_metrics_prints_nothing(capfd):
    compute_metrics(found(), truths(), NAMES, protocol=Protocol.COCO)
    assert capfd.readouterr() == ("", "")


def test_columns_hold_images_in_order():
    predictions = found()
    assert predictions.images.tolist() == [0, 0, 0]
    assert predictions.labels.tolist() == [0, 1, 0]
    several = Truths.of(Truth.of(BOXES, LABELS), torch.tensor([0, 2, 3, 3]))
    assert several.images.tolist() == [1, 1, 2]
    assert several.num_images == 4


def many_objects(counts: list[int]) -> tuple[Predictions, Truths]:
    """Images with so many objects of one class side by side, all found exactly."""
    left = 20.0 * torch.cat([torch.arange(count) for count in counts])
    boxes = torch.stack([left, left * 0, left + 10, left * 0 + 10], dim=1)
    labels = torch.zeros(len(boxes), dtype=torch.int64)
    ends = torch.tensor(counts).cumsum(0)
    detections = Detections(boxes, torch.linspace(0.9, 0.1, len(boxes)), labels)
    starts = [0, *ends.tolist()]
    parts = [detections[start:end] for start, end in pairwise(starts)]
    return Predictions.of(parts), Truths.of(Truth.of(boxes, labels), ends)


def test_images_with_more_objects_than_coco_counts_are_counted():
    predictions, truths = many_objects([300, 100, 101])
    report = compute_metrics(predictions, truths, NAMES, protocol=Protocol.COCO)
    assert report.images_over_coco_limit == 2
    assert report.to_json()["images_over_coco_limit"] == 2
    assert report.mean_average_precision < 0.61  # 300 of 501 objects
    by_voc = compute_metrics(predictions, truths, NAMES, protocol=Protocol.VOC10)
    assert by_voc.mean_average_precision == 1
    assert by_voc.images_over_coco_limit is None


def test_a_hundred_objects_of_a_class_are_within_the_limit_of_coco():
    report = compute_metrics(*many_objects([100]), NAMES, protocol=Protocol.COCO)
    assert report.mean_average_precision == pytest.approx(1)
    assert "images_over_coco_limit" not in report.to_json()
