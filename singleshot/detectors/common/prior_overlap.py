"""Overlap of objects with priors: the best IoU of each object, and the prior it is of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from singleshot.boxes.geometry import pairwise_iou, to_centres
from singleshot.detectors.common.priors import PriorLayout, PriorLevel

__all__ = ["BestPriors", "best_priors", "centre_distances", "shape_overlaps"]

PAIRS_AT_A_TIME = 2**22  # of objects and priors: 16 megabytes


class BestPriors(NamedTuple):
    """The prior that overlaps each object most."""

    iou: Float[Tensor, " n"]
    level: Int[Tensor, " n"]
    prior: Int[Tensor, " n"]  # number among all priors


def best_priors(boxes: Float[Tensor, "n 4"], layout: PriorLayout) -> BestPriors:
    """Find the best prior of each object among all of them; of equal ones the first."""
    at_a_time = max(1, PAIRS_AT_A_TIME // len(layout.boxes))
    found = [pairwise_iou(part, layout.boxes).max(dim=1) for part in torch.split(boxes, at_a_time)]
    if not found:
        none = torch.zeros(0, dtype=torch.int64)
        return BestPriors(torch.zeros(0), none, none)
    iou, prior = (torch.cat(parts) for parts in zip(*found, strict=True))
    return BestPriors(iou, layout.level_of_prior()[prior], prior)


def centre_distances(
    boxes: Float[Tensor, "n 4"], levels: Sequence[PriorLevel]
) -> Float[Tensor, "levels n 2"]:
    """Measure how far (across, down) each object's centre is from a level's nearest prior centre.

    In pixels. The nearest centre has the largest IoU whatever the shape, as long as priors are not
    clipped: the overlap along each side only falls with the distance.
    """
    centres = to_centres(boxes)[:, :2]
    distances = []
    for level in levels:
        stride = centres.new_tensor(level.stride[::-1])
        first = centres.new_tensor(level.first_centre[::-1])
        last = centres.new_tensor([level.grid[1] - 1, level.grid[0] - 1])
        cell = ((centres - first) / stride).round().clamp(min=0).minimum(last)
        distances.append((centres - first - cell * stride).abs())
    return torch.stack(distances)


def shape_overlaps(
    sizes: Float[Tensor, "n 2"], distances: Float[Tensor, "n 2"], shapes: Float[Tensor, "shapes 2"]
) -> Float[Tensor, "shapes n"]:
    """Compute the IoU of objects with priors of some shapes at these distances of their centres.

    All in pixels: (width, height) of objects and priors, distances (across, down).
    """
    reach = (sizes + shapes[:, None]) / 2 - distances
    shared = torch.minimum(torch.minimum(sizes, shapes[:, None]), reach).clamp(min=0)
    intersection = shared.prod(dim=-1)
    union = sizes.prod(dim=-1) + shapes.prod(dim=-1)[:, None] - intersection
    return intersection / union
