from __future__ import annotations

import pytest
import torch

from singleshot.data.opening import read_dataset
from singleshot.evaluation.evaluate_predictions import evaluate_predictions
from singleshot.metrics import Predictions, Protocol
from singleshot.structures import Detections


def perfect(dataset) -> Predictions:
    truths = [dataset.truth(index) for index in range(len(dataset))]
    return Predictions.of(
        Detections(truth.boxes, torch.ones(len(truth)), truth.labels) for truth in truths
    )


@pytest.mark.parametrize("protocol", list(Protocol))
@pytest.mark.parametrize("name", ["bccd", "voc2012_100", "tiny_coco"])
def test_truth_given_as_predictions_scores_one_on_real_data(shared, name, protocol):
    dataset = read_real(shared / "data", name)
    report = evaluate_predictions(perfect(dataset), dataset, protocol=protocol)
    assert report.mean_average_precision == pytest.approx(1)


def read_real(folder, name):
    if name == "tiny_coco":
        return read_dataset(folder / name, split="val2017")
    root = folder / name / ("VOC2012" if name == "voc2012_100" else "")
    return read_dataset(root)
