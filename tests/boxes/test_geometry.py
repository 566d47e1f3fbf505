import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from singleshot.boxes.geometry import (
    area,
    clip,
    flip_horizontally,
    flip_vertically,
    from_unit,
    move_into,
    pairwise_iou,
    to_centres,
    to_corners,
    to_unit,
)

seeds = st.integers(0, 2**32 - 1)


def boxes_of(seed, number=20):
    numbers = torch.rand(2, number, 2, generator=torch.Generator().manual_seed(seed))
    return torch.cat([100 * numbers[0], 100 * numbers[0] + 1 + 50 * numbers[1]], dim=1)


@given(seeds)
def test_centres_and_corners_undo_each_other(seed):
    boxes = boxes_of(seed)
    torch.testing.assert_close(to_corners(to_centres(boxes)), boxes)


@given(seeds)
def test_fractions_and_pixels_undo_each_other(seed):
    boxes = boxes_of(seed)
    torch.testing.assert_close(from_unit(to_unit(boxes, (30, 70)), (30, 70)), boxes)


def test_height_comes_first_in_sizes():
    assert to_unit(torch.tensor([[10.0, 10, 20, 20]]), (100, 200)).tolist() == [
        pytest.approx([0.05, 0.1, 0.1, 0.2])
    ]


@given(seeds)
def test_flipping_twice_changes_nothing(seed):
    boxes = boxes_of(seed)
    flipped = flip_horizontally(boxes, 200)
    torch.testing.assert_close(flip_horizontally(flipped, 200), boxes)
    torch.testing.assert_close(flip_vertically(flip_vertically(boxes, 200), 200), boxes)
    torch.testing.assert_close(area(flipped), area(boxes), rtol=1e-4, atol=0)


def test_a_window_drawn_at_twice_its_size():
    moved = move_into(torch.tensor([[10.0, 20, 30, 40]]), (10, 10, 60, 60), (100, 100))
    assert moved.tolist() == [[0, 20, 40, 60]]


def test_clip_keeps_the_part_inside_the_image():
    assert clip(torch.tensor([[-5.0, 10, 300, 50]]), (40, 200)).tolist() == [[0, 10, 200, 40]]


def test_half_of_two_thirds():
    iou = pairwise_iou(torch.tensor([[0.0, 0, 2, 1]]), torch.tensor([[1.0, 0, 3, 1], [5, 5, 6, 6]]))
    assert iou.tolist() == [[pytest.approx(1 / 3), 0]]


def test_boxes_without_area_overlap_nothing_not_even_themselves():
    flat = torch.tensor([[1.0, 1, 1, 5]])
    assert pairwise_iou(flat, flat).item() == 0
