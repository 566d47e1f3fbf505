"""A localizer is built from numbers and Literals."""

import pytest
import torch
from one_convolution import OneConvolution, make_batch

from singleshot.detectors.common.single_size import InputOptions
from singleshot.detectors.localizer.network import Localizer


@pytest.mark.parametrize("attach", ["convolutions", "fully_connected"])
def test_a_localizer_needs_no_recipe(attach):
    torch.manual_seed(0)
    inputs = InputOptions((64, 96))
    detector = Localizer(
        OneConvolution([16]), ("cat", "dog"), inputs, fully_connected=(16,), attach=attach
    )
    assert detector.losses(make_batch((64, 96))).total > 0
    (detections,) = detector.eval().detect([torch.zeros(3, 80, 50, dtype=torch.uint8)])
    assert len(detections) == 1
