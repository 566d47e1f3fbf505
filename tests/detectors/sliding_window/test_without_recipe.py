"""A sliding-window detector is built from numbers and Literals."""

import pytest
import torch
from one_convolution import OneConvolution, make_batch

from singleshot.detectors.common.single_size import InputOptions
from singleshot.detectors.sliding_window.network import SlidingWindow, WindowOptions


@pytest.mark.parametrize("classifier", ["svm", "softmax"])
def test_a_sliding_window_needs_no_recipe(classifier):
    torch.manual_seed(0)
    window = WindowOptions((32, 32), scales=(1.0, 1.5))
    detector = SlidingWindow(
        OneConvolution([8]), ("cat", "dog"), InputOptions((64, 96)), window, classifier=classifier
    )
    losses = detector.losses(make_batch((64, 96)))
    assert losses.total > 0
    assert losses.num_matches > 0
    (detections,) = detector.eval().detect([torch.zeros(3, 80, 50, dtype=torch.uint8)])
    assert len(detections) > 0
