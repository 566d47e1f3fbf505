from __future__ import annotations

import pytest
import torch

from singleshot.detectors.common.prior_overlap import centre_distances, shape_overlaps
from singleshot.detectors.common.priors import PriorLevel
from singleshot.inspection.coverage.fit import fit_shapes, size_ranges

SIZE = (128, 128)
LEVELS = (
    PriorLevel((8, 8), (16.0, 16.0), (8.0, 8.0), ((24.0, 24.0), (34.0, 17.0))),
    PriorLevel((4, 4), (32.0, 32.0), (16.0, 16.0), ((60.0, 60.0),)),
)


def boxes_of(sizes: torch.Tensor, random: torch.Generator) -> torch.Tensor:
    centres = 30 + 68 * torch.rand(len(sizes), 2, generator=random)
    return torch.cat([centres - sizes / 2, centres + sizes / 2], dim=1)


def covered(boxes: torch.Tensor, shapes: list[tuple[tuple[float, float], ...]]) -> torch.Tensor:
    """The best IoU of each object with priors of these shapes."""
    distances = centre_distances(boxes, LEVELS)
    sizes = boxes[:, 2:] - boxes[:, :2]
    overlaps = [
        shape_overlaps(sizes, of_level, torch.tensor(own))
        for of_level, own in zip(distances, shapes, strict=True)
    ]
    return torch.cat(overlaps).amax(dim=0)


def test_tall_objects_get_tall_priors_on_the_same_layout(random):
    boxes = boxes_of(torch.tensor([24.0, 50.0]).expand(50, 2), random)
    fitted = fit_shapes([boxes], LEVELS, SIZE)
    assert [len(level) for level in fitted] == [2, 1]
    before = covered(boxes, [level.shapes for level in LEVELS])
    after = covered(boxes, fitted)
    assert (before < 0.5).all()
    assert (after >= 0.5).float().mean() > 0.75


def test_coverage_never_falls(random):
    boxes = boxes_of(10 + 60 * torch.rand(100, 2, generator=random), random)
    before = covered(boxes, [level.shapes for level in LEVELS])
    assert covered(boxes, fit_shapes([boxes], LEVELS, SIZE)).mean() > before.mean()


def test_the_same_objects_give_the_same_priors(random):
    boxes = boxes_of(10 + 60 * torch.rand(80, 2, generator=random), random)
    assert fit_shapes([boxes], LEVELS, SIZE) == fit_shapes([boxes.clone()], LEVELS, SIZE)


def test_priors_stay_within_the_range_of_their_level(random):
    tiny = boxes_of(torch.full((30, 2), 4.0), random)
    ranges = size_ranges(LEVELS)
    for (low, high), shapes in zip(ranges, fit_shapes([tiny], LEVELS, SIZE), strict=True):
        roots = [(width * height) ** 0.5 for width, height in shapes]
        assert low - 1e-6 <= min(roots) <= max(roots) <= high + 1e-6


def test_without_objects_priors_stay_as_they_are():
    assert fit_shapes([torch.zeros(0, 4)], LEVELS, SIZE) == [level.shapes for level in LEVELS]


@pytest.mark.parametrize("number", [1, 20])
def test_one_object_or_one_size_moves_one_prior_at_most(number):
    box = torch.tensor([[40.0, 40.0, 58.0, 70.0]]).expand(number, 4)
    fitted = [shape for level in fit_shapes([box], LEVELS, SIZE) for shape in level]
    before = [shape for level in LEVELS for shape in level.shapes]
    assert sum(one != other for one, other in zip(fitted, before, strict=True)) == 1
    assert covered(box, fit_shapes([box], LEVELS, SIZE)).min() > 0.53


def test_groups_count_alike_whatever_their_number(random):
    few = boxes_of(torch.tensor([30.0, 44.0]).expand(10, 2), random)
    many = boxes_of(torch.tensor([40.0, 28.0]).expand(500, 2), random)
    fitted = fit_shapes([few, many], LEVELS, SIZE)
    assert (covered(few, fitted) >= 0.5).float().mean() > 0.8
    assert (covered(many, fitted) >= 0.5).float().mean() > 0.8
