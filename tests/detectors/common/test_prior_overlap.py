from __future__ import annotations

import torch

from singleshot.boxes.geometry import pairwise_iou, to_corners
from singleshot.detectors.common.prior_overlap import best_priors, centre_distances, shape_overlaps
from singleshot.detectors.common.priors import PriorLayout, PriorLevel, prior_boxes

SIZE = (96, 128)
LEVELS = (
    PriorLevel((6, 8), (16.0, 16.0), (8.0, 8.0), ((20.0, 20.0), (40.0, 15.0))),
    PriorLevel((3, 4), (32.0, 32.0), (16.0, 16.0), ((60.0, 60.0),)),
)


def layout() -> PriorLayout:
    boxes = to_corners(prior_boxes(LEVELS, SIZE)) * torch.tensor([128.0, 96.0, 128.0, 96.0])
    return PriorLayout(LEVELS, SIZE, boxes)


def random_boxes(number: int, random: torch.Generator) -> torch.Tensor:
    corners = torch.rand(number, 2, 2, generator=random) * torch.tensor([128.0, 96.0])
    return torch.cat([corners.amin(dim=1), corners.amax(dim=1) + 1], dim=1)


def test_the_best_prior_is_that_of_all_pairs(random, monkeypatch):
    monkeypatch.setattr("singleshot.detectors.common.prior_overlap.PAIRS_AT_A_TIME", 500)
    boxes = random_boxes(200, random)
    best = best_priors(boxes, layout())
    iou, prior = pairwise_iou(boxes, layout().boxes).max(dim=1)
    torch.testing.assert_close(best.iou, iou)
    assert torch.equal(best.prior, prior)
    assert torch.equal(best.level, (prior >= 96).long())


def test_the_nearest_centre_has_the_best_prior_of_each_shape(random):
    boxes = random_boxes(300, random)
    distances = centre_distances(boxes, LEVELS)
    sizes = boxes[:, 2:] - boxes[:, :2]
    by_shape = [
        shape_overlaps(sizes, of_level, torch.tensor(level.shapes))
        for of_level, level in zip(distances, LEVELS, strict=True)
    ]
    expected = pairwise_iou(boxes, layout().boxes).amax(dim=1)
    torch.testing.assert_close(torch.cat(by_shape).amax(dim=0), expected)


def test_without_objects_there_is_no_best_prior():
    assert len(best_priors(torch.zeros(0, 4), layout()).iou) == 0
