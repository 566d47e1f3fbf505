"""Non-maximum suppression: of boxes that overlap much, the best stays.

Boxes of different labels never suppress each other. Every function goes label by label: boxes moved
apart to be suppressed together (torchvision's `batched_nms`) lose digits, the more labels the more.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torchvision.ops import nms

from singleshot.boxes.convert import to_centres
from singleshot.boxes.iou import pairwise_iou

__all__ = ["suppress", "suppress_averaging", "suppress_by_distance", "suppress_softly"]

TINY = 1e-12  # keeps 0 / 0 away


def suppress(
    boxes: Float[Tensor, "n 4"],
    scores: Float[Tensor, " n"],
    labels: Int[Tensor, " n"],
    iou_threshold: float,
) -> Int[Tensor, " kept"]:
    """Indices that stay, best first."""
    # In the precision of the boxes, or an overlap of exactly the threshold would not stay.
    threshold = boxes.new_tensor(iou_threshold).item()
    kept = [
        indices if len(indices) == 1 else indices[nms(boxes[indices], scores[indices], threshold)]
        for indices in by_label(scores, labels)
    ]
    return best_first(kept, scores)


def suppress_by_distance(
    boxes: Float[Tensor, "n 4"],
    scores: Float[Tensor, " n"],
    labels: Int[Tensor, " n"],
    iou_threshold: float,
) -> Int[Tensor, " kept"]:
    """Indices that stay, best first; boxes far from each other may overlap more.

    DIoU-NMS (Zheng et al. 2020, "Distance-IoU Loss"): what counts is the overlap less the
    squared distance of centres in diagonals of the hull. Give boxes in pixels, or in fractions of a
    square image.
    """
    kept = []
    for indices in by_label(scores, labels):
        some = boxes[indices]
        close = pairwise_iou(some, some) - pairwise_distance(some) > iou_threshold
        kept.append(indices[greedy(close)])
    return best_first(kept, scores)


def suppress_softly(
    boxes: Float[Tensor, "n 4"],
    scores: Float[Tensor, " n"],
    labels: Int[Tensor, " n"],
    sigma: float,
) -> Float[Tensor, " n"]:
    """New scores: they decay with the overlap with every better box; nothing is dropped.

    Soft-NMS (Bodla et al. 2017, figure 2): the best box that is left lowers the
    others by exp(-IoU² / σ), again and again.
    """
    decayed = scores.clone()
    for indices in by_label(scores, labels):
        factors = torch.exp(-(pairwise_iou(boxes[indices], boxes[indices]) ** 2) / sigma)
        left, taken = scores[indices], torch.zeros_like(indices, dtype=torch.bool)
        for _ in indices:
            best = left.argmax()
            decayed[indices[best]] = left[best]
            taken[best] = True
            left = (left * factors[best]).masked_fill(taken, -1.0)
    return decayed


def suppress_averaging(
    boxes: Float[Tensor, "n 4"],
    scores: Float[Tensor, " n"],
    labels: Int[Tensor, " n"],
    iou_threshold: float,
) -> tuple[Int[Tensor, " kept"], Float[Tensor, "kept 4"]]:
    """Indices that stay, best first, and their new boxes.

    Each is the mean of itself and of all that it suppressed, weighted by score (Zhou et al. 2017,
    "CAD: Scale Invariant Framework for Real-Time Object Detection").
    """
    averaged = boxes.clone()
    kept = []
    for indices in by_label(scores, labels):
        some = boxes[indices]
        close = pairwise_iou(some, some) > iou_threshold
        stays = greedy(close)
        # A box without area does not overlap itself.
        close.fill_diagonal_(True)
        # A box votes for the best of those that stay and would suppress it: the first.
        first = (close & stays[:, None]).int().argmax(dim=0)
        votes = boxes.new_zeros(len(some), len(some))
        votes.scatter_(0, first[None], scores[indices][None])
        votes = votes[stays] / votes[stays].sum(dim=1, keepdim=True)
        averaged[indices[stays]] = votes @ some
        kept.append(indices[stays])
    found = best_first(kept, scores)
    return found, averaged[found]


def by_label(scores: Float[Tensor, " n"], labels: Int[Tensor, " n"]) -> list[Int[Tensor, " _"]]:
    """The indices of each label, best first; of equal scores the first comes first."""
    order = scores.argsort(descending=True, stable=True)
    order = order[labels[order].argsort(stable=True)]
    counts = [count for count in labels.bincount().tolist() if count]
    return list(order.split_with_sizes(counts))


def best_first(
    kept: Sequence[Int[Tensor, " _"]], scores: Float[Tensor, " n"]
) -> Int[Tensor, " kept"]:
    """The indices of all labels together."""
    if not kept:
        return torch.zeros(0, dtype=torch.int64, device=scores.device)
    together = torch.cat(list(kept))
    return together[scores[together].argsort(descending=True, stable=True)]


def greedy(close: Bool[Tensor, "n n"]) -> Bool[Tensor, " n"]:
    """Which boxes stay, given best first and which of them are too close to each other.

    A box stays unless a better one does that is close to it. Repeated from "all stay", the answer
    for the k-th box is right after k rounds at the latest, and usually all are after a few (Zheng
    et al. 2021, "Enhancing Geometric Factors": Cluster-NMS).
    """
    close = close.triu(diagonal=1)
    stays = torch.ones_like(close[0])
    while True:
        before, stays = stays, ~(close & stays[:, None]).any(dim=0)
        if torch.equal(before, stays):
            return stays


def pairwise_distance(boxes: Float[Tensor, "n 4"]) -> Float[Tensor, "n n"]:
    """Squared distance of centres, in squared diagonals of the hull of two boxes."""
    centres = to_centres(boxes)[:, :2]
    apart = (centres[:, None] - centres).square().sum(dim=-1)
    top_left = torch.minimum(boxes[:, None, :2], boxes[:, :2])
    bottom_right = torch.maximum(boxes[:, None, 2:], boxes[:, 2:])
    return apart / (bottom_right - top_left).square().sum(dim=-1).clamp(min=TINY)
