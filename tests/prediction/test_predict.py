"""Predictions from Python: results with boxes, scores, labels and names."""

# Tests singleshot/prediction/options.py
# Tests singleshot/models/predict.py

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

import singleshot
from singleshot.errors import DataError, SingleshotError
from singleshot.structures import Detections


class CornerDetector:
    """Detects a sure dog and a doubtful cat in every image."""

    class_names = ("cat", "dog")

    def detect(self, images):
        boxes = torch.tensor([[0.0, 1.0, 10.0, 12.0], [3.0, 4.0, 8.0, 9.0]])
        return [Detections(boxes, torch.tensor([0.75, 0.25]), torch.tensor([1, 0])) for _ in images]


@pytest.fixture
def photos(tmp_path):
    for name, size in (("a.jpg", (40, 30)), ("b.png", (20, 20))):
        Image.new("RGB", size, "gray").save(tmp_path / name)
    return tmp_path


def test_a_folder_gives_a_result_for_each_image(photos):
    first, second = singleshot.predict(CornerDetector(), photos)
    assert (first.image, first.width, first.height) == (photos / "a.jpg", 40, 30)
    assert second.image == photos / "b.png"
    assert first.names == ["dog"]
    assert first.boxes.tolist() == [[0, 1, 10, 12]]
    assert (first.scores.tolist(), first.labels.tolist()) == ([0.75], [1])


def test_a_lower_score_threshold_keeps_more(photos):
    (result,) = singleshot.predict(CornerDetector(), photos / "a.jpg", score_threshold=0.2)
    assert result.names == ["dog", "cat"]


def test_a_result_is_written_as_the_command_writes_it(photos):
    (result,) = singleshot.predict(CornerDetector(), [photos / "a.jpg"])
    assert result.to_dict() == {
        "image": str(photos / "a.jpg"),
        "width": 40,
        "height": 30,
        "detections": [{"box": [0, 1, 10, 12], "label": "dog", "score": 0.75}],
    }


def test_results_come_as_they_are_made(photos):
    results = []
    assert singleshot.predict(CornerDetector(), photos, on_result=results.append) == results


def test_images_in_memory_and_files_give_results(photos):
    gray = np.full((30, 40, 3), 128, dtype=np.uint8)
    images = [gray, Image.fromarray(gray), torch.from_numpy(gray).permute(2, 0, 1), photos]
    results = singleshot.predict(CornerDetector(), (image for image in images))
    assert [result.names for result in results] == [["dog"]] * 5
    assert [result.path for result in results] == [None] * 3 + [photos / "a.jpg", photos / "b.png"]
    assert [(result.width, result.height) for result in results] == [(40, 30)] * 4 + [(20, 20)]
    (one,) = singleshot.predict(CornerDetector(), gray)
    assert one.image is gray
    assert len(singleshot.predict(CornerDetector(), np.stack([gray, gray]))) == 2


def test_images_in_memory_are_refused_where_they_cannot_be_used(photos):
    gray = np.full((30, 40, 3), 0.5)
    with pytest.raises(DataError, match="image 1: a NumPy array of type float64"):
        singleshot.predict(CornerDetector(), [photos / "a.jpg", gray])
    with pytest.raises(DataError, match="images: of type NoneType"):
        singleshot.predict(CornerDetector(), None)
    with pytest.raises(SingleshotError, match=r"no names; save result\.plot\(\)"):
        singleshot.predict(CornerDetector(), [gray], draw=photos / "drawn")


def test_thresholds_that_were_chosen_for_the_detector_are_used(photos):
    class Chosen(CornerDetector):
        @staticmethod
        def score_thresholds(on_message):
            on_message("cat from 0.2")
            return SimpleNamespace(score_thresholds=np.array([0.2, 0.8]))

    messages = []
    options = {"source": photos / "a.jpg", "on_message": messages.append}
    (result,) = singleshot.predict(Chosen(), **options)
    assert (result.names, messages) == (["cat"], ["cat from 0.2"])
    (result,) = singleshot.predict(Chosen(), **options, score_threshold=0.5)
    assert result.names == ["dog"]


def test_images_are_drawn(photos):
    singleshot.predict(CornerDetector(), photos, draw=photos / "drawn")
    assert sorted(path.name for path in Path(photos / "drawn").iterdir()) == ["a.jpg", "b.png"]


def test_impossible_calls_are_refused_before_anything_is_detected(photos):
    with pytest.raises(DataError, match="no such image, video or folder"):
        singleshot.predict("no-model", photos / "c.jpg")
    with pytest.raises(SingleshotError, match="would write over the image"):
        singleshot.predict("no-model", photos, draw=photos)
    with pytest.raises(SingleshotError, match="score_threshold: 2 is out of bounds"):
        singleshot.predict("no-model", photos, score_threshold=2)
