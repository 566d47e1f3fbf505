"""A detector that returns the annotation itself is perfect, by every protocol, on all real data."""

from __future__ import annotations

import numpy as np
import pytest

from singleshot.data.opening import open_dataset
from singleshot.evaluation.evaluate_predictions import evaluate_predictions
from singleshot.evaluation.predictions import load_predictions, write_predictions
from singleshot.metrics import Predictions, Protocol

# Folder or file, split, and how many objects it has beside its crowds.
DATA = {
    "bccd, all": ("bccd", "trainval+test", 4886),
    "bccd, train": ("bccd", "train", 2804),
    "bccd, val": ("bccd", "val", 1137),
    "bccd, trainval": ("bccd", "trainval", 3941),
    "bccd, test": ("bccd", "test", 945),
    "VOC": ("voc2012_100/VOC2012", "trainval", 273),
    "VOC as COCO, first export": ("voc2012_100/other-formats/coco_v1", None, 273),
    "VOC as COCO, second export": ("voc2012_100/other-formats/coco_v2", None, 273),
    "COCO, train": ("tiny_coco", "train2017", 465),
    "COCO, val": ("tiny_coco", "val2017", 377),
    "faces, training": ("dlib_faces", "training", 18),
    "faces, testing": ("dlib_faces", "testing", 25),
    "one image, truncated": ("broken_jpeg", None, 3),  # no pixel is read
}


@pytest.mark.parametrize("name", DATA)
def test_the_truth_itself_scores_one(shared, tmp_path, name):
    place, split, num_objects = DATA[name]
    dataset = open_dataset(shared / "data" / place, split)
    truth = truth_as_predictions(dataset)
    assert len(truth) == num_objects
    saved = tmp_path / "predictions.json"
    write_predictions(truth, dataset, saved)
    predictions = load_predictions(saved, dataset).predictions
    for protocol in Protocol:
        assert_perfect(evaluate_predictions(predictions, dataset, protocol=protocol))


def assert_perfect(report):
    # COCO adds 2e-16 to what it divides by, hence no ==.
    assert report.mean_average_precision == pytest.approx(1, abs=1e-12)
    with_truths = [numbers for numbers in report.per_class.values() if numbers.truths]
    assert with_truths
    for numbers in with_truths:
        assert numbers.average_precision == pytest.approx(1, abs=1e-12)
        best = numbers.best_f1
        assert (best.f1, best.precision, best.recall) == (1, 1, 1)
        assert set(numbers.precision_at_recall.values()) == {1}
        assert set(numbers.recall_at_precision.values()) == {1}


def truth_as_predictions(dataset) -> Predictions:
    """Every object but no crowd, which is a place rather than an object; no two scores equal."""
    objects = ~dataset.truths.crowd.numpy()
    images = np.repeat(np.arange(len(dataset)), np.diff(dataset.ends.numpy(), prepend=0))
    return Predictions(
        images=images[objects],
        boxes=dataset.truths.boxes.double().numpy()[objects],
        scores=np.linspace(0.99, 0.01, objects.sum()),
        labels=dataset.truths.labels.numpy()[objects],
    )
