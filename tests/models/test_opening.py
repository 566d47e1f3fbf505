"""Detectors come from a path, or are used on the device where they are."""

# Tests singleshot/detectors/common/devices.py

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from small import small

import singleshot
from singleshot.errors import ModelError, SingleshotError
from singleshot.families import build_detector
from singleshot.models.opening import as_detector, load
from singleshot.recipes.load import load_recipe


@pytest.fixture
def detector():
    recipe = load_recipe("yolo-v2", small("yolo-v2"))
    return build_detector(recipe.model, ["a", "b"], pretrained=False)


def test_a_detector_is_used_where_it_is(detector):
    assert as_detector(detector) is detector
    assert as_detector(detector, "cpu") is detector
    assert as_detector(detector, torch.device("cpu")) is detector


def test_a_detector_is_not_moved(detector):
    with pytest.raises(
        SingleshotError, match=r"it is on cpu\); move it with detector\.to\('cuda'\)"
    ):
        as_detector(detector, "cuda")


def test_what_is_neither_a_path_nor_a_detector_is_refused(tmp_path):
    for model in (None, 3, ["run"]):
        with pytest.raises(ModelError, match=f"a model of type {type(model).__name__}; expected a"):
            singleshot.evaluate(model, tmp_path)
        with pytest.raises(ModelError, match="checkpoint: give a path"):
            singleshot.load(model)
    with pytest.raises(ModelError, match=r"checkpoint: give its \.folder"):
        singleshot.predict(SimpleNamespace(folder=tmp_path), np.zeros((2, 2, 3), dtype=np.uint8))


def test_a_device_is_refused_before_the_model_is_read(tmp_path):
    for call in (load, lambda path, device: singleshot.evaluate(path, tmp_path, device=device)):
        with pytest.raises(SingleshotError, match="did you mean cuda"):
            call(tmp_path / "missing", device="gpu")


def test_a_detector_is_three_lines(detector):
    parameters = sum(parameter.numel() for parameter in detector.parameters())
    assert repr(detector) == (
        "yolo-v2 detector of 2 classes: a, b\n"
        f"input 96 x 128 (height x width), {parameters:,} parameters\n"
        "on cpu"
    )


def test_a_detector_predicts_where_it_is(detector):
    image = torch.zeros(3, 40, 50, dtype=torch.uint8)
    (result,) = detector.predict(image, score_threshold=1.0)
    assert (result.width, result.height, len(result)) == (50, 40, 0)
    with pytest.raises(SingleshotError, match=r"it is on cpu\); move it with"):
        detector.predict(image, device="cuda")


def test_images_of_the_host_go_to_the_device_of_the_network(detector):
    images = torch.zeros(1, 3, 96, 128, dtype=torch.uint8)
    assert detector.to("meta").normalise(images).device.type == "meta"
