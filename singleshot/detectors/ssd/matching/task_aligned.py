"""Task-aligned matching: priors whose score and box both are good already learn an object.

Feng et al. 2021, "TOOD: Task-aligned One-stage Object Detection", §3.2. An object that holds no
prior's centre teaches nothing, as there.
"""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from singleshot.boxes.geometry import contains, pairwise_iou
from singleshot.detectors.ssd.matching.claims import best_claim
from singleshot.detectors.ssd.matching.predicted import Predicted

__all__ = ["Aligned", "task_aligned"]

SCORE_POWER, OVERLAP_POWER = 1.0, 6.0  # α and β, as its experiments found best
TINY = 1e-30  # keeps 0 / 0 away; the sixth power of an overlap may be small


class Aligned(NamedTuple):
    """Matches, and how well they fit."""

    truths: Int[Tensor, "b priors"]  # or UNMATCHED
    alignment: Float[
        Tensor, "b priors"
    ]  # t̂: of an object's best match, its overlap; 0 if unmatched


def task_aligned(
    boxes: Float[Tensor, "b truths 4"],
    labels: Int[Tensor, "b truths"],
    predicted: Predicted,
    centres: Float[Tensor, "priors 2"],
    *,
    candidates: int,
) -> Aligned:
    """Match by the boxes and scores said at each prior; boxes of 0 are padding.

    An object claims the `candidates` priors of highest t = s^α u^β, s the score of its class and u
    the overlap, as far as their centres are inside. Of several objects a prior learns the one it
    overlaps most.
    """
    overlap = pairwise_iou(boxes, predicted.boxes)
    score = predicted.scores.transpose(1, 2).gather(1, labels[:, :, None].expand_as(overlap))
    metric = score**SCORE_POWER * overlap**OVERLAP_POWER
    best = metric.topk(min(candidates, len(centres)), dim=2)
    claimed = torch.zeros_like(metric, dtype=torch.bool).scatter_(2, best.indices, best.values > 0)
    truths = best_claim(claimed & contains(boxes, centres), overlap)
    numbers = torch.arange(boxes.shape[1], device=truths.device)[:, None]
    return Aligned(truths, normalised(metric, overlap, truths[:, None] == numbers))


def normalised(
    metric: Float[Tensor, "b truths priors"],
    overlap: Float[Tensor, "b truths priors"],
    matched: Bool[Tensor, "b truths priors"],
) -> Float[Tensor, "b priors"]:
    """t̂: the metric, scaled so that an object's highest is its highest overlap (§3.2.2)."""
    metric, overlap = metric * matched, overlap * matched
    scale = overlap.amax(dim=2) / metric.amax(dim=2).clamp(min=TINY)
    return (metric * scale[:, :, None]).sum(dim=1)
