"""Matching rules that came after the paper's: ATSS, SimOTA and task-aligned matching.

All are given boxes in pixels of the input, padded with boxes of 0 that match nothing, and give the
index of the ground-truth box that each prior is matched to, or UNMATCHED.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from singleshot.boxes.geometry import area, contains, pairwise_iou, to_centres, to_corners
from singleshot.detectors.common.priors import PriorLevel
from singleshot.detectors.ssd.bipartite import UNMATCHED

__all__ = ["Aligned", "Predicted", "atss", "simota", "task_aligned"]

# SimOTA
CENTRE_RADIUS = 2.5  # strides around an object's centre where priors are preferred
OVERLAP_WEIGHT = 3.0  # λ of equation 1
TINY_OVERLAP = 1e-8  # keeps log 0 away
LEAST_SCORE = 1e-6  # nearer to 0 or 1 the cost of a score has no bound

# Task-aligned matching
SCORE_POWER, OVERLAP_POWER = 1.0, 6.0  # α and β, the best in its experiments
TINY_METRIC = 1e-30  # keeps 0 / 0 away; the sixth power of an overlap may be small


class Predicted(NamedTuple):
    """The network's outputs for a batch, decoded."""

    boxes: Float[Tensor, "b priors 4"]  # pixels of the input
    scores: Float[Tensor, "b priors classes"]


class Aligned(NamedTuple):
    """Matches, and how well predictions fit them."""

    truths: Int[Tensor, "b priors"]  # or UNMATCHED
    # t̂: at an object's best match its overlap, less at the others; 0 if unmatched.
    alignment: Float[Tensor, "b priors"]


def atss(
    boxes: Float[Tensor, "b truths 4"],
    priors_cxcywh: Float[Tensor, "priors 4"],
    levels: Sequence[PriorLevel],
    *,
    candidates: int,
) -> Int[Tensor, "b priors"]:
    """Match by adaptive training sample selection: each object has an IoU threshold of its own.

    Zhang et al. 2020, "Bridging the Gap Between Anchor-based and Anchor-free Detection via Adaptive
    Training Sample Selection", §4.1, algorithm 1. A prior is matched when it is a candidate,
    overlaps the object at least by the mean plus the standard deviation of its candidates'
    overlaps, and has its centre inside. As there, an object without a prior's centre in it stays
    unmatched.
    """
    iou = pairwise_iou(boxes, to_corners(priors_cxcywh))
    near = nearest_priors(boxes, priors_cxcywh, levels, candidates)
    overlap = iou.gather(2, near)
    threshold = overlap.mean(dim=2, keepdim=True) + overlap.std(dim=2, keepdim=True)
    selected = torch.zeros_like(iou, dtype=torch.bool).scatter_(2, near, overlap >= threshold)
    return resolve_conflicts(selected & contains(boxes, priors_cxcywh[:, :2]), iou)


def nearest_priors(
    boxes: Float[Tensor, "b truths 4"],
    priors_cxcywh: Float[Tensor, "priors 4"],
    levels: Sequence[PriorLevel],
    candidates: int,
) -> Int[Tensor, "b truths candidates"]:
    """Select the priors with the nearest centres: those of `candidates` cells of each level.

    All priors of a cell, as in the authors' code (sfzhang15/ATSS), since they are equally near.
    """
    apart = to_centres(boxes)[:, :, None, :2] - priors_cxcywh[:, :2]
    distance = torch.split(apart.square().sum(dim=-1), [len(level) for level in levels], dim=2)
    nearest, first = [], 0
    for level, distances in zip(levels, distance, strict=True):
        number = min(candidates * level.num_priors_per_cell, len(level))
        nearest.append(distances.topk(number, dim=2, largest=False).indices + first)
        first += len(level)
    return torch.cat(nearest, dim=2)


def simota(
    boxes: Float[Tensor, "b truths 4"],
    labels: Int[Tensor, "b truths"],
    predicted: Predicted,
    centres: Float[Tensor, "priors 2"],
    *,
    strides: Float[Tensor, "priors 2"],
    candidates: int,
) -> Int[Tensor, "b priors"]:
    """Match each object to the priors whose predictions cost least; centres are (x, y).

    Ge et al. 2021, "YOLOX: Exceeding YOLO Series in 2021", §2.1, and `get_assignments` of its code
    (Megvii-BaseDetection/YOLOX, yolo_head.py). An object takes as many priors as its `candidates`
    largest overlaps add up to, at least one; a prior that several take is matched to the object it
    costs least. SSD has no objectness: scores stand alone.
    """
    inside = contains(boxes, centres)
    near = are_near_centre(boxes, centres, strides) & (area(boxes) > 0)[:, :, None]
    allowed = (inside | near).any(dim=1, keepdim=True) & (area(boxes) > 0)[:, :, None]
    overlap = pairwise_iou(boxes, predicted.boxes)
    cost = class_cost(predicted.scores, labels) - OVERLAP_WEIGHT * (overlap + TINY_OVERLAP).log()
    # Both inside and near the centre comes first. YOLOX adds 100,000 to all others, which takes
    # their differences away in float32; more than the highest cost is enough.
    cost = cost + (cost.max() + 1) * ~(inside & near)
    cost = cost.masked_fill(~allowed, math.inf)
    number = min(candidates, len(centres))
    # As many as would cover the object, if they did not overlap each other.
    budget = (overlap * allowed).topk(number, dim=2).values.sum(dim=2).int().clamp(min=1)
    cheapest = cost.topk(number, dim=2, largest=False, sorted=True).indices
    first = torch.arange(number, device=cost.device) < budget[:, :, None]
    taken = torch.zeros_like(allowed & inside).scatter_(2, cheapest, first) & allowed
    return resolve_by_cost(taken, cost)


def are_near_centre(
    boxes: Float[Tensor, "b truths 4"],
    centres: Float[Tensor, "priors 2"],
    strides: Float[Tensor, "priors 2"],
) -> Bool[Tensor, "b truths priors"]:
    """Mark priors whose centre is within CENTRE_RADIUS strides of their level of an object's."""
    apart = (to_centres(boxes)[:, :, None, :2] - centres).abs()
    return (apart < CENTRE_RADIUS * strides).all(dim=-1)


def class_cost(
    scores: Float[Tensor, "b priors classes"], labels: Int[Tensor, "b truths"]
) -> Float[Tensor, "b truths priors"]:
    """Compute the binary cross-entropy of all classes at each prior for each object's label.

    It is that of a prior without a label, less what the label's own class then no longer costs.
    """
    logits = scores.logit(eps=LEAST_SCORE)
    unlabelled = F.softplus(logits).sum(dim=2)
    gain = logits.transpose(1, 2)
    return unlabelled[:, None] - gain.gather(1, labels[:, :, None].expand(-1, -1, scores.shape[1]))


def resolve_by_cost(
    taken: Bool[Tensor, "b truths priors"], cost: Float[Tensor, "b truths priors"]
) -> Int[Tensor, "b priors"]:
    """Match a prior that several objects took to the cheapest of all, as YOLOX's code does."""
    takers = taken.sum(dim=1)
    truth = torch.where(takers > 1, cost.argmin(dim=1), taken.int().argmax(dim=1))
    return truth.masked_fill(takers == 0, UNMATCHED)


def task_aligned(
    boxes: Float[Tensor, "b truths 4"],
    labels: Int[Tensor, "b truths"],
    predicted: Predicted,
    centres: Float[Tensor, "priors 2"],
    *,
    candidates: int,
) -> Aligned:
    """Match each object to the priors whose score and box are both good already.

    Feng et al. 2021, "TOOD: Task-aligned One-stage Object Detection", §3.2. An object selects the
    `candidates` priors of highest t = s^α u^β, s the score of its class and u the overlap, as far
    as their centres are inside. Of several objects a prior is matched to the one it overlaps most.
    As there, an object without a prior's centre in it stays unmatched.
    """
    overlap = pairwise_iou(boxes, predicted.boxes)
    score = predicted.scores.transpose(1, 2).gather(1, labels[:, :, None].expand_as(overlap))
    metric = score**SCORE_POWER * overlap**OVERLAP_POWER
    best = metric.topk(min(candidates, len(centres)), dim=2)
    selected = torch.zeros_like(metric, dtype=torch.bool).scatter_(2, best.indices, best.values > 0)
    truths = resolve_conflicts(selected & contains(boxes, centres), overlap)
    numbers = torch.arange(boxes.shape[1], device=truths.device)[:, None]
    return Aligned(truths, normalise_metric(metric, overlap, truths[:, None] == numbers))


def normalise_metric(
    metric: Float[Tensor, "b truths priors"],
    overlap: Float[Tensor, "b truths priors"],
    matched: Bool[Tensor, "b truths priors"],
) -> Float[Tensor, "b priors"]:
    """Scale the metric to t̂, so that an object's highest is its highest overlap (§3.2.2)."""
    metric, overlap = metric * matched, overlap * matched
    scale = overlap.amax(dim=2) / metric.amax(dim=2).clamp(min=TINY_METRIC)
    return (metric * scale[:, :, None]).sum(dim=1)


def resolve_conflicts(
    selected: Bool[Tensor, "b truths priors"], overlap: Float[Tensor, "b truths priors"]
) -> Int[Tensor, "b priors"]:
    """Match a prior that several objects select to the one it overlaps most."""
    most, truth = overlap.masked_fill(~selected, -math.inf).max(dim=1)
    return truth.masked_fill(most == -math.inf, UNMATCHED)
