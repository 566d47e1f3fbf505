"""Adaptive training sample selection: every object has an overlap threshold of its own.

Zhang et al. 2020, "Bridging the Gap Between Anchor-based and Anchor-free Detection via Adaptive
Training Sample Selection", §4.1, algorithm 1. An object that holds no prior's centre teaches
nothing, as there.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from singleshot.boxes.geometry import contains, pairwise_iou, to_centres, to_corners
from singleshot.detectors.common.priors import PriorLevel
from singleshot.detectors.ssd.matching.claims import best_claim

__all__ = ["atss"]


def atss(
    boxes: Float[Tensor, "b truths 4"],
    priors_cxcywh: Float[Tensor, "priors 4"],
    levels: Sequence[PriorLevel],
    *,
    candidates: int,
) -> Int[Tensor, "b priors"]:
    """The truth of each prior or UNMATCHED, all in pixels of the input; boxes of 0 are padding.

    A prior is matched when it is a candidate, overlaps the object at least by the mean plus the
    standard deviation of its candidates' overlaps, and has its centre inside.
    """
    iou = pairwise_iou(boxes, to_corners(priors_cxcywh))
    near = nearest(boxes, priors_cxcywh, levels, candidates)
    overlap = iou.gather(2, near)
    threshold = overlap.mean(dim=2, keepdim=True) + overlap.std(dim=2, keepdim=True)
    claimed = torch.zeros_like(iou, dtype=torch.bool).scatter_(2, near, overlap >= threshold)
    return best_claim(claimed & contains(boxes, priors_cxcywh[:, :2]), iou)


def nearest(
    boxes: Float[Tensor, "b truths 4"],
    priors_cxcywh: Float[Tensor, "priors 4"],
    levels: Sequence[PriorLevel],
    candidates: int,
) -> Int[Tensor, "b truths candidates"]:
    """The priors whose centres are nearest to an object's: so many of each level.

    All priors of so many cells, as in the authors' code (sfzhang15/ATSS), since those of one cell
    are equally near.
    """
    apart = to_centres(boxes)[:, :, None, :2] - priors_cxcywh[:, :2]
    distance = torch.split(apart.square().sum(dim=-1), [len(level) for level in levels], dim=2)
    found, first = [], 0
    for level, distances in zip(levels, distance, strict=True):
        number = min(candidates * level.num_priors_per_cell, len(level))
        found.append(distances.topk(number, dim=2, largest=False).indices + first)
        first += len(level)
    return torch.cat(found, dim=2)
