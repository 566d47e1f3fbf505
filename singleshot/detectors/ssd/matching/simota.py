"""SimOTA: each object takes the priors that would cost it least, and as many as suit it.

Ge et al. 2021, "YOLOX: Exceeding YOLO Series in 2021", §2.1, and `get_assignments` of its code
(Megvii-BaseDetection/YOLOX, yolo_head.py). SSD has no objectness: scores stand alone.
"""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from singleshot.boxes.geometry import area, contains, pairwise_iou, to_centres
from singleshot.detectors.ssd.matching.bipartite import UNMATCHED
from singleshot.detectors.ssd.matching.predicted import Predicted

__all__ = ["simota"]

CENTRE_RADIUS = 2.5  # strides around an object's centre where priors are preferred
OVERLAP_WEIGHT = 3.0  # λ of equation 1
TINY = 1e-8
LEAST_SCORE = 1e-6  # nearer to 0 or 1 a score would cost endlessly


def simota(
    boxes: Float[Tensor, "b truths 4"],
    labels: Int[Tensor, "b truths"],
    predicted: Predicted,
    centres: Float[Tensor, "priors 2"],
    *,
    strides: Float[Tensor, "priors 2"],
    candidates: int,
) -> Int[Tensor, "b priors"]:
    """The truth of each prior or UNMATCHED; pixels of the input, (x, y); boxes of 0 are padding.

    An object takes as many priors as its `candidates` largest overlaps add up to, at least one. A
    prior that several take learns the object it costs least.
    """
    inside = contains(boxes, centres)
    near = near_centre(boxes, centres, strides) & (area(boxes) > 0)[:, :, None]
    allowed = (inside | near).any(dim=1, keepdim=True) & (area(boxes) > 0)[:, :, None]
    overlap = pairwise_iou(boxes, predicted.boxes)
    cost = class_cost(predicted.scores, labels) - OVERLAP_WEIGHT * (overlap + TINY).log()
    # Both inside and near the centre comes first. YOLOX adds 100,000 to all others, which takes
    # their differences away in float32; more than the highest cost is enough.
    cost = cost + (cost.max() + 1) * ~(inside & near)
    cost = cost.masked_fill(~allowed, math.inf)
    number = min(candidates, len(centres))
    # As many as would cover the object, did they not overlap each other.
    wanted = (overlap * allowed).topk(number, dim=2).values.sum(dim=2).int().clamp(min=1)
    cheapest = cost.topk(number, dim=2, largest=False, sorted=True).indices
    first = torch.arange(number, device=cost.device) < wanted[:, :, None]
    taken = torch.zeros_like(allowed & inside).scatter_(2, cheapest, first) & allowed
    return one_each(taken, cost)


def near_centre(
    boxes: Float[Tensor, "b truths 4"],
    centres: Float[Tensor, "priors 2"],
    strides: Float[Tensor, "priors 2"],
) -> Bool[Tensor, "b truths priors"]:
    """Whether a prior's centre is within so many strides of its level from the object's."""
    apart = (to_centres(boxes)[:, :, None, :2] - centres).abs()
    return (apart < CENTRE_RADIUS * strides).all(dim=-1)


def class_cost(
    scores: Float[Tensor, "b priors classes"], labels: Int[Tensor, "b truths"]
) -> Float[Tensor, "b truths priors"]:
    """Binary cross-entropy of all classes, did the prior learn this label.

    What it would be with no label, less what the label's own class then no longer costs.
    """
    logits = scores.logit(eps=LEAST_SCORE)
    nothing = F.softplus(logits).sum(dim=2)
    gain = logits.transpose(1, 2)
    return nothing[:, None] - gain.gather(1, labels[:, :, None].expand(-1, -1, scores.shape[1]))


def one_each(
    taken: Bool[Tensor, "b truths priors"], cost: Float[Tensor, "b truths priors"]
) -> Int[Tensor, "b priors"]:
    """As in YOLOX's code, a prior that several took goes to the cheapest of all truths."""
    takers = taken.sum(dim=1)
    truth = torch.where(takers > 1, cost.argmin(dim=1), taken.int().argmax(dim=1))
    return truth.masked_fill(takers == 0, UNMATCHED)
