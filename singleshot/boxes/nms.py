"""Non-maximum suppression (NMS) per label: of boxes that overlap much, the best is kept.

Boxes of different labels never suppress each other. Every function goes label by label: shifting
the labels apart and suppressing all at once (torchvision's `batched_nms`) loses digits of the
coordinates, more with each label.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torchvision import ops

from singleshot.boxes.geometry import pairwise_iou, to_centres

__all__ = ["diou_nms", "nms", "soft_nms", "weighted_nms"]

_TINY = 1e-12  # keeps 0 / 0 away


def nms(
    boxes: Float[Tensor, "n 4"],
    scores: Float[Tensor, " n"],
    labels: Int[Tensor, " n"],
    iou_threshold: float,
) -> Int[Tensor, " kept"]:
    """Return the indices of the boxes to keep, best first: greedy NMS."""
    # In the precision of the boxes, or a box that overlaps by exactly the threshold would be lost.
    threshold = boxes.new_tensor(iou_threshold).item()
    kept = [
        indices
        if len(indices) == 1
        else indices[ops.nms(boxes[indices], scores[indices], threshold)]
        for indices in _by_label(scores, labels)
    ]
    return _best_first(kept, scores)


def diou_nms(
    boxes: Float[Tensor, "n 4"],
    scores: Float[Tensor, " n"],
    labels: Int[Tensor, " n"],
    iou_threshold: float,
) -> Int[Tensor, " kept"]:
    """Return the indices of the boxes to keep, best first; distant boxes may overlap more.

    DIoU-NMS (Zheng et al. 2020, "Distance-IoU Loss") compares with the threshold the IoU less the
    squared distance of the centres, in squared diagonals of the enclosing box. The boxes are in
    pixels, or in fractions of a square image.
    """
    kept = []
    for indices in _by_label(scores, labels):
        group = boxes[indices]
        close = pairwise_iou(group, group) - _pairwise_distance(group) > iou_threshold
        kept.append(indices[_greedy(close)])
    return _best_first(kept, scores)


def soft_nms(
    boxes: Float[Tensor, "n 4"],
    scores: Float[Tensor, " n"],
    labels: Int[Tensor, " n"],
    sigma: float,
) -> Float[Tensor, " n"]:
    """Lower the scores of boxes by their overlap with every better box; none is dropped.

    Soft-NMS (Bodla et al. 2017, figure 2): the best remaining box multiplies the scores of the
    others by exp(-IoU² / σ), until none remains.
    """
    decayed = scores.clone()
    for indices in _by_label(scores, labels):
        factors = torch.exp(-(pairwise_iou(boxes[indices], boxes[indices]) ** 2) / sigma)
        left, taken = scores[indices], torch.zeros_like(indices, dtype=torch.bool)
        for _ in indices:
            best = left.argmax()
            decayed[indices[best]] = left[best]
            taken[best] = True
            left = (left * factors[best]).masked_fill(taken, -1.0)
    return decayed


def weighted_nms(
    boxes: Float[Tensor, "n 4"],
    scores: Float[Tensor, " n"],
    labels: Int[Tensor, " n"],
    iou_threshold: float,
) -> tuple[Int[Tensor, " kept"], Float[Tensor, "kept 4"]]:
    """Return the indices of the boxes to keep, best first, and their averaged boxes.

    Weighted NMS (Zhou et al. 2017, "CAD: Scale Invariant Framework for Real-Time Object
    Detection"): each box is averaged with those it removes, weighted by score.
    """
    averaged = boxes.clone()
    kept = []
    for indices in _by_label(scores, labels):
        group = boxes[indices]
        close = pairwise_iou(group, group) > iou_threshold
        stays = _greedy(close)
        # A box without area does not overlap itself.
        close.fill_diagonal_(True)
        # A box belongs to the best of those that are kept and would suppress it: the first.
        first = (close & stays[:, None]).int().argmax(dim=0)
        weights = boxes.new_zeros(len(indices), len(indices))
        weights.scatter_(0, first[None], scores[indices][None])
        weights = weights[stays] / weights[stays].sum(dim=1, keepdim=True)
        averaged[indices[stays]] = weights @ group
        kept.append(indices[stays])
    best = _best_first(kept, scores)
    return best, averaged[best]


def _by_label(scores: Float[Tensor, " n"], labels: Int[Tensor, " n"]) -> list[Int[Tensor, " _"]]:
    """Split the indices by label, best first; equal scores stay in their order."""
    order = scores.argsort(descending=True, stable=True)
    order = order[labels[order].argsort(stable=True)]
    counts = [count for count in labels.bincount().tolist() if count]
    return list(order.split_with_sizes(counts))


def _best_first(
    kept: Sequence[Int[Tensor, " _"]], scores: Float[Tensor, " n"]
) -> Int[Tensor, " kept"]:
    """Join the indices of all labels, best first."""
    if not kept:
        return torch.zeros(0, dtype=torch.int64, device=scores.device)
    together = torch.cat(list(kept))
    return together[scores[together].argsort(descending=True, stable=True)]


def _greedy(close: Bool[Tensor, "n n"]) -> Bool[Tensor, " n"]:
    """Mark the boxes that greedy NMS keeps, given which are too close to each other, best first.

    A box is kept unless a better one is kept that is close to it. Repeated from "all are kept",
    the answer for the k-th box is right after k rounds at the latest, and usually all are after a
    few (Cluster-NMS, Zheng et al. 2021, "Enhancing Geometric Factors").
    """
    close = close.triu(diagonal=1)
    stays = torch.ones_like(close[0])
    while True:
        before, stays = stays, ~(close & stays[:, None]).any(dim=0)
        if torch.equal(before, stays):
            return stays


def _pairwise_distance(boxes: Float[Tensor, "n 4"]) -> Float[Tensor, "n n"]:
    """Compute squared distances of centres, in squared diagonals of the enclosing boxes."""
    centres = to_centres(boxes)[:, :2]
    apart = (centres[:, None] - centres).square().sum(dim=-1)
    top_left = torch.minimum(boxes[:, None, :2], boxes[:, :2])
    bottom_right = torch.maximum(boxes[:, None, 2:], boxes[:, 2:])
    return apart / (bottom_right - top_left).square().sum(dim=-1).clamp(min=_TINY)
