from __future__ import annotations

import numpy as np
import pytest
import torch

from singleshot.data.formats import coco, voc
from singleshot.evaluation import class_curves, judge, pictures_to_show
from singleshot.metrics import Predictions, Protocol
from singleshot.structures import Detections


def perfect(dataset) -> Predictions:
    truths = [dataset.truth(index) for index in range(len(dataset))]
    return Predictions.of(
        Detections(truth.boxes, torch.ones(len(truth)), truth.labels) for truth in truths
    )


def test_curves_are_those_of_classes_with_truths(dataset):
    curves = class_curves(perfect(dataset)[:0], dataset, protocol=Protocol.VOC10)
    assert list(curves) == ["cat", "dog"]
    only_dogs = dataset.subset([1], description="one dog")
    curves = class_curves(perfect(only_dogs), only_dogs, protocol=Protocol.VOC10)
    assert list(curves) == ["dog"]
    assert curves["dog"].recall.tolist() == [1]


def test_pictures_with_most_misses_are_shown(dataset, random):
    only_cat = perfect(dataset)[np.array([True, False, False])]
    report = judge(only_cat, dataset, protocol=Protocol.VOC07)
    for _ in range(10):
        at_random, worst = pictures_to_show(only_cat, dataset, report, count=2, random=random)
        assert worst in {0, 1} - {at_random}


@pytest.mark.parametrize(("count", "expected"), [(0, 0), (1, 1), (3, 3), (12, 3)])
def test_no_picture_is_shown_twice(dataset, random, count, expected):
    report = judge(perfect(dataset), dataset, protocol=Protocol.VOC07)
    shown = pictures_to_show(perfect(dataset), dataset, report, count=count, random=random)
    assert len(shown) == len(set(shown)) == expected


@pytest.mark.parametrize("protocol", list(Protocol))
@pytest.mark.parametrize("name", ["bccd", "voc2012_100", "tiny_coco"])
def test_truth_given_as_predictions_scores_one_on_real_data(shared, name, protocol):
    dataset = read_real(shared / "data", name)
    report = judge(perfect(dataset), dataset, protocol=protocol)
    assert report.mean_average_precision == pytest.approx(1)


def read_real(folder, name):
    if name == "tiny_coco":
        return coco.read(folder / name, split="val2017")
    root = folder / name / ("VOC2012" if name == "voc2012_100" else "")
    return voc.read(root)
