import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from singleshot.boxes.convert import from_unit, to_centres, to_corners, to_unit
from singleshot.boxes.edit import clip, flip_horizontally, move_into
from singleshot.boxes.iou import area, pairwise_iou
from singleshot.boxes.suppress import suppress

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
def test_mirroring_twice_is_nothing(seed):
    boxes = boxes_of(seed)
    mirrored = flip_horizontally(boxes, 200)
    torch.testing.assert_close(flip_horizontally(mirrored, 200), boxes)
    torch.testing.assert_close(area(mirrored), area(boxes), rtol=1e-4, atol=0)


def test_a_window_drawn_at_twice_its_size():
    moved = move_into(torch.tensor([[10.0, 20, 30, 40]]), (10, 10, 60, 60), (100, 100))
    assert moved.tolist() == [[0, 20, 40, 60]]


def test_clipping_keeps_what_is_inside():
    assert clip(torch.tensor([[-5.0, 10, 300, 50]]), (40, 200)).tolist() == [[0, 10, 200, 40]]


def test_half_of_two_thirds():
    iou = pairwise_iou(torch.tensor([[0.0, 0, 2, 1]]), torch.tensor([[1.0, 0, 3, 1], [5, 5, 6, 6]]))
    assert iou.tolist() == [[pytest.approx(1 / 3), 0]]


def test_boxes_without_area_overlap_nothing_not_even_themselves():
    flat = torch.tensor([[1.0, 1, 1, 5]])
    assert pairwise_iou(flat, flat).item() == 0


@given(seeds)
def test_suppression_leaves_no_overlap_within_a_class_and_all_of_other_classes(seed):
    boxes = boxes_of(seed) - 60  # some reach beyond the image
    random = torch.Generator().manual_seed(seed)
    scores = torch.rand(20, generator=random)
    labels = torch.randint(3, (20,), generator=random)
    kept = suppress(boxes, scores, labels, 0.3)
    assert (scores[kept].diff() <= 0).all()
    for label in range(3):
        ours = kept[labels[kept] == label]
        alone = (labels == label).nonzero()[:, 0]
        expected = suppress(boxes[alone], scores[alone], torch.zeros_like(alone), 0.3)
        assert ours.tolist() == alone[expected].tolist()


def test_nothing_to_suppress():
    none = torch.zeros(0, dtype=torch.int64)
    assert len(suppress(torch.zeros(0, 4), torch.zeros(0), none, 0.5)) == 0
