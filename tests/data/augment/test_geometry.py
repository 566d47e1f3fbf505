"""Crops and flips; what holds in every case is in `augmentation_cases`."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from singleshot.boxes.geometry import area
from singleshot.data.augment.geometry import (
    CropAroundObjects,
    FlipHorizontally,
    FlipVertically,
    sampled_crops,
)
from singleshot.data.augment.settings import CropSettings
from singleshot.data.augment.view import View
from singleshot.structures import Sample, Truth

seeds = st.integers(0, 2**32 - 1)


def view_of(*boxes, size=(120, 200)):
    truth = Truth.of(
        torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4), torch.arange(len(boxes))
    )
    return View.of(Sample(torch.zeros(3, *size, dtype=torch.uint8), truth, "an image"))


def generator(seed):
    return torch.Generator().manual_seed(seed)


@given(seeds)
def test_sampled_crops_lie_inside_and_keep_the_limits(seed):
    view = view_of((50, 30, 90, 70))
    crops = sampled_crops(view, CropSettings(), generator(seed)).flatten(0, 1)
    height, width = view.size
    assert (crops[:, :2] >= -1e-3).all()
    assert (crops[:, 2] <= width + 1e-3).all()
    assert (crops[:, 3] <= height + 1e-3).all()
    scale = (area(crops) / (height * width)).sqrt()
    assert ((scale >= 0.3 - 1e-3) & (scale <= 1 + 1e-3)).all()
    ratio = (crops[:, 2] - crops[:, 0]) / width / ((crops[:, 3] - crops[:, 1]) / height)
    assert ((ratio >= 0.5 - 1e-2) & (ratio <= 2 + 1e-2)).all()


@given(seeds)
def test_an_image_without_objects_is_not_cropped(seed):
    # No sampler can satisfy its constraint, as in the original: the whole image is left.
    view = view_of()
    assert CropAroundObjects(CropSettings())(view, generator(seed)).window == view.window


def test_each_sampler_and_the_whole_image_are_taken_equally_often():
    view = view_of((20, 20, 180, 110))
    crop = CropAroundObjects(CropSettings(min_ious=(0.1, 0.3, 0.5)))
    whole = sum(crop(view, generator(seed)).window == view.window for seed in range(800))
    assert whole == pytest.approx(200, abs=40)


def test_flipping_twice_is_not_flipping(random):
    flip = FlipHorizontally(probability=1)
    assert not flip(flip(view_of(), random), random).flipped


def test_a_vertical_flip_of_probability_zero_draws_nothing(random):
    assert FlipVertically(probability=1)(view_of(), random).flipped_vertically
    state = random.get_state()
    assert not FlipVertically(probability=0)(view_of(), random).flipped_vertically
    assert torch.equal(random.get_state(), state)
