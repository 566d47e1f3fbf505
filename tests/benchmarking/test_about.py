import pytest
import torch

from singleshot.benchmarking.about import about_detector, with_score_threshold
from singleshot.errors import SingleshotError
from singleshot.families import build_detector
from singleshot.recipes.load import load_recipe


@pytest.fixture
def detector():
    settings = load_recipe("ssdlite320-lite0", {"model.input": [96, 128]}).model
    return build_detector(settings, ["a"], pretrained=False)


def test_a_detector_in_pytorch_is_described(detector, tmp_path):
    (tmp_path / "weights").write_bytes(b"12345")
    assert about_detector(detector, [tmp_path / "weights"]) == {
        "runtime": "pytorch",
        "runtime_version": torch.__version__,
        "precision": "float32",
        "input": [96, 128],
        "size_bytes": 5,
        "score_threshold": 0.01,
    }
    assert about_detector(detector)["size_bytes"] is None


def test_a_higher_score_threshold_leaves_fewer_detections(detector):
    image = torch.zeros(3, 90, 70, dtype=torch.uint8)
    (every,) = with_score_threshold(detector, 0.0).detect([image])
    (none,) = with_score_threshold(detector, 0.999).detect([image])
    assert len(every) > len(none) == 0
    assert about_detector(detector)["score_threshold"] == 0.999


def test_a_detector_without_a_threshold_is_refused():
    class Foreign:
        class_names = ("a",)

        def detect(self, images):
            return [None for _ in images]

    with pytest.raises(SingleshotError, match="score threshold built in"):
        with_score_threshold(Foreign(), 0.5)
