"""Coding of boxes, boxes responsible for objects, and anchors found by clustering."""

import pytest
import torch

from singleshot.boxes.geometry import to_centres
from singleshot.detectors.yolo.anchors import (
    AnchorGrid,
    flatten_predictions,
    k_means_anchors,
    shape_iou,
)
from singleshot.errors import DataError

ANCHORS = [(10.0, 20.0), (30.0, 30.0), (60.0, 40.0)]


@pytest.fixture
def grid():
    # 64 × 96 pixels: cells of 16 pixels with two anchors, of 32 with one.
    return AnchorGrid([(4, 6), (2, 3)], ANCHORS, [(0, 1), (2,)], (64, 96))


def test_it_has_a_box_for_every_cell_and_anchor_of_a_level(grid):
    assert len(grid) == 4 * 6 * 2 + 2 * 3 == 54


def test_boxes_lie_level_by_level_anchor_by_anchor_and_row_by_row(grid):
    assert grid.cells[[0, 1, 6, 24, 48, 51]].tolist() == [
        [0, 0],
        [1, 0],
        [0, 1],
        [0, 0],
        [0, 0],
        [0, 1],
    ]
    assert grid.anchors[[23, 24, 47, 48]].tolist() == [[10, 20], [30, 30], [30, 30], [60, 40]]
    assert grid.strides[47].tolist() == [16, 16]
    assert grid.strides[48].tolist() == [32, 32]


def test_flattened_maps_are_in_that_order():
    columns = 7
    fine = torch.arange(2 * 2 * columns * 4 * 6.0).reshape(2, 2 * columns, 4, 6)
    coarse = -torch.arange(2 * columns * 2 * 3.0).reshape(2, columns, 2, 3)
    outputs = flatten_predictions([fine, coarse], columns)
    assert outputs.shape == (2, 54, columns)
    # The second anchor's fourth number, of row 2 and column 5.
    assert outputs[1, 24 + 2 * 6 + 5, 3] == fine[1, columns + 3, 2, 5]
    assert outputs[1, 48 + 3 + 2, 6] == coarse[1, 6, 1, 2]


def test_a_box_of_zeros_is_its_anchor_in_the_middle_of_its_cell(grid):
    boxes = to_centres(grid.decode(torch.zeros(1, 54, 6)))[0]
    assert boxes[0].tolist() == [8, 8, 10, 20]
    assert boxes[53].tolist() == [80, 48, 60, 40]


def test_decode_undoes_encode(grid, random):
    places = torch.randint(54, (40,), generator=random)
    inside = torch.rand(40, 2, generator=random) * 0.98 + 0.01
    middles = (grid.cells[places] + inside) * grid.strides[places]
    sizes = 4 + 80 * torch.rand(40, 2, generator=random)
    targets = torch.cat([middles, sizes], dim=1)
    outputs = torch.zeros(40, 54, 6)
    aim = grid.encode(targets, places)
    outputs[torch.arange(40), places, :4] = torch.cat([aim[:, :2].logit(), aim[:, 2:]], dim=1)
    found = to_centres(grid.decode(outputs))[torch.arange(40), places]
    torch.testing.assert_close(found, targets, rtol=1e-4, atol=1e-3)


def test_sizes_beyond_all_measure_stay_finite(grid):
    boxes = grid.decode(torch.full((1, 54, 6), 1000.0))
    assert boxes.isfinite().all()


@pytest.mark.parametrize(
    ("truth", "box"),
    [
        # As wide and high as the second anchor: cell (2, 1) of 6 × 4.
        ((40.0, 20.0, 29.0, 31.0), 24 + 6 + 2),
        # A wide one of the coarse level; its middle is on the border of two cells.
        ((64.0, 31.0, 70.0, 40.0), 48 + 2),
        # At the lower right corner of the image it is in the last cell.
        ((96.0, 64.0, 9.0, 20.0), 3 * 6 + 5),
    ],
)
def test_cell_of_the_middle_and_anchor_of_the_shape_are_responsible(grid, truth, box):
    boxes, truths = grid.responsible_boxes(torch.tensor([truth]))
    assert boxes.tolist() == [box]
    assert truths.tolist() == [0]


def test_an_anchor_that_no_level_has_is_responsible_for_nothing():
    grid = AnchorGrid([(4, 6)], ANCHORS, [(0, 1)], (64, 96))
    boxes, truths = grid.responsible_boxes(torch.tensor([[48.0, 32.0, 60.0, 40.0]]))
    assert len(boxes) == len(truths) == 0


def test_shapes_overlap_as_if_they_had_one_middle():
    found = shape_iou(torch.tensor([[10.0, 20.0]]), torch.tensor([[10.0, 20.0], [20.0, 10.0]]))
    # 100 of 200 + 200 - 100 square pixels.
    torch.testing.assert_close(found, torch.tensor([[1.0, 1 / 3]]))


def test_clusters_are_found_where_they_are(random):
    middles = torch.tensor([[12.0, 30.0], [50.0, 20.0], [90.0, 110.0]])
    sizes = middles.repeat(50, 1) * (0.95 + 0.1 * torch.rand(150, 2, generator=random))
    anchors, fit = k_means_anchors(sizes, 3, random)
    torch.testing.assert_close(anchors, middles, rtol=0.02, atol=0)
    assert fit > 0.93


def test_more_anchors_fit_better(random):
    sizes = 8 + 200 * torch.rand(400, 2, generator=random) ** 2
    fits = [k_means_anchors(sizes, number, random)[1] for number in (1, 3, 5, 9)]
    assert fits == sorted(fits)
    assert fits[-1] > fits[0] + 0.2


def test_small_and_large_objects_count_alike(random):
    """By distance in pixels all anchors would go to the large ones."""
    small = 5 + 15 * torch.rand(300, 2, generator=random)
    large = 100 + 300 * torch.rand(100, 2, generator=random)
    anchors, _ = k_means_anchors(torch.cat([small, large]), 4, random)
    assert (anchors[:2] < 25).all()


def test_there_are_no_more_anchors_than_different_sizes(random):
    with pytest.raises(DataError, match="3 anchors from 2 different sizes of objects"):
        k_means_anchors(torch.tensor([[5.0, 5.0], [5.0, 5.0], [6.0, 9.0], [0.0, 4.0]]), 3, random)
