from __future__ import annotations

import pytest
import torch

from singleshot.errors import TooLittleMemory
from singleshot.evaluation.detection import detect_all
from singleshot.evaluation.evaluate_predictions import evaluate_predictions
from singleshot.metrics import Protocol
from singleshot.structures import Detections


class PerfectDetector:
    """Detects exactly the annotated objects, and records the shapes of each batch."""

    def __init__(self, dataset):
        self.class_names = dataset.class_names
        self.truths = iter([dataset.truth(index) for index in range(len(dataset))])
        self.batches = []

    def detect(self, images):
        self.batches.append([tuple(image.shape) for image in images])
        truths = [next(self.truths) for _ in images]
        return [
            Detections(truth.boxes, torch.linspace(1, 0.5, len(truth)), truth.labels)
            for truth in truths
        ]


@pytest.mark.parametrize("protocol", list(Protocol))
def test_a_perfect_detector_scores_one(dataset, protocol):
    predictions = detect_all(PerfectDetector(dataset), dataset)
    report = evaluate_predictions(predictions, dataset, protocol=protocol)
    assert report.mean_average_precision == pytest.approx(1)
    assert (report.images, report.truths, report.detections) == (3, 3, 3)


def test_images_are_read_a_batch_at_a_time_and_progress_is_reported(dataset):
    detector, reports = PerfectDetector(dataset), []
    detect_all(
        detector, dataset, batch_size=2, progress=lambda done, of: reports.append((done, of))
    )
    assert detector.batches == [[(3, 40, 60), (3, 50, 50)], [(3, 60, 40)]]
    assert reports == [(2, 3), (3, 3)]


@pytest.mark.parametrize("fit", [1, 0])
def test_fewer_images_are_detected_at_once_where_memory_is_short(dataset, fit):
    class Limited(PerfectDetector):
        def detect(self, images):
            if len(images) > fit:
                raise TooLittleMemory("out of memory", fit)
            return super().detect(images)

    detector = Limited(dataset)
    if not fit:
        with pytest.raises(TooLittleMemory):
            detect_all(detector, dataset)
        return
    assert len(detect_all(detector, dataset)) == 3
    assert [len(batch) for batch in detector.batches] == [1, 1, 1]


def test_other_classes_fail_an_assertion(dataset):
    detector = PerfectDetector(dataset)
    detector.class_names = ("dog", "cat")
    with pytest.raises(AssertionError):
        detect_all(detector, dataset)
