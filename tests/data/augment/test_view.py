import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from singleshot.data.augment.view import View, draw_index, happens, uniform
from singleshot.structures import Sample, Truth


@pytest.fixture
def view():
    """An image of 100 x 60 pixels with objects around (20, 20) and (90, 50)."""
    boxes = torch.tensor([[10.0, 10, 30, 30], [80, 40, 100, 60]])
    truth = Truth.of(boxes, torch.tensor([0, 1]))
    return View.of(Sample(torch.zeros(3, 60, 100, dtype=torch.uint8), truth, "an image"))


def test_a_view_begins_with_the_whole_image(view):
    assert view.window == (0, 0, 100, 60)
    assert view.size == (60, 100)
    assert not view.flipped
    pixels = view.sample.image.permute(1, 2, 0).numpy()
    assert view.recolour(pixels) is pixels


def test_a_window_keeps_objects_whose_centre_is_inside_or_on_its_edge(view):
    assert view.through((0, 0, 50, 60)).truth.labels.tolist() == [0]
    assert view.through((20, 0, 100, 60)).truth.labels.tolist() == [0, 1]
    assert view.through((20.5, 0, 100, 60)).truth.labels.tolist() == [1]


@given(st.integers(0, 2**32 - 1))
def test_random_choices_keep_their_limits(seed):
    random = torch.Generator().manual_seed(seed)
    assert -2 <= uniform(-2, 3, random) <= 3
    assert draw_index(4, random) in range(4)
    assert not happens(0, random)
    assert happens(1, random)
