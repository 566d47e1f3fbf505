"""The paper's matching of priors to ground-truth boxes (§2.2, "Matching strategy").

Two rules, as in the original's `MatchBBox` (bbox_util.cpp):

1. Bipartite: of all pairs of a free object and a free prior, the one that overlaps most is matched;
   again, until every object has its prior. Ties go to the first prior, then to the first object.
2. Every prior that is still free is matched to the object it overlaps most, from IoU 0.5 on.

They are computed in reverse order: the second needs one pass over all overlaps, and what the first
one matches then replaces it.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from singleshot.boxes.geometry import pairwise_iou

__all__ = ["UNMATCHED", "match_boxes", "match_overlaps"]

UNMATCHED = -1

# The original does not count a smaller overlap as one (bbox_util.cpp, `MatchBBox`).
LEAST_OVERLAP = 1e-6

# Overlaps computed at a time: as many as a processor's cache holds.
PAIRS_AT_A_TIME = 2**20

# Entries of which the largest is found before its index; see `first_largest`.
BLOCK = 256


class _Pairs(NamedTuple):
    """Matched pairs of ground-truth boxes and priors."""

    image: Int[Tensor, " n"]
    truth: Int[Tensor, " n"]
    prior: Int[Tensor, " n"]


class _ByThreshold(NamedTuple):
    """Matches by the second rule, and what the first one begins with."""

    matched: Int[Tensor, "b priors"]  # the truth of each prior, or UNMATCHED
    overlap: Float[Tensor, "b truths"]  # the largest of each truth
    favourite: Int[Tensor, "b truths"]  # the prior with this overlap


def match_boxes(
    boxes: Float[Tensor, "b truths 4"], priors: Float[Tensor, "priors 4"], iou_threshold: float
) -> Int[Tensor, "b priors"]:
    """Match priors to ground-truth boxes, both in corners; boxes of 0 are padding.

    Returns the index of each prior's box among its image's, or UNMATCHED.
    """
    if boxes.device.type != "cpu":
        return match_overlaps(pairwise_iou(boxes, priors), iou_threshold)
    number = max(1, PAIRS_AT_A_TIME // (boxes.shape[1] * len(priors)))
    parts = [
        _match_without_padding(part, priors, iou_threshold) for part in torch.split(boxes, number)
    ]
    first = _ByThreshold(*(torch.cat(columns) for columns in zip(*parts, strict=True)))
    # All overlaps together would not fit a cache: the few that are needed again are recomputed.
    return _replace_by_pairs(
        first.matched,
        _bipartite_pairs(
            first.overlap,
            first.favourite,
            of_favourites=lambda prior: pairwise_iou(boxes, priors[prior]),
            of_truths=lambda image, truth: pairwise_iou(boxes[image, truth], priors),
            num_priors=len(priors),
        ),
    )


def _match_without_padding(
    boxes: Float[Tensor, "b truths 4"], priors: Float[Tensor, "priors 4"], iou_threshold: float
) -> _ByThreshold:
    """Apply `match_by_threshold` without the last rows that are padding in every image."""
    filled = boxes.any(dim=2).any(dim=0).nonzero()
    number = int(filled[-1]) + 1 if len(filled) else 1
    matched, overlap, favourite = match_by_threshold(
        pairwise_iou(boxes[:, :number], priors), iou_threshold
    )
    padding = (0, boxes.shape[1] - number)
    return _ByThreshold(matched, F.pad(overlap, padding), F.pad(favourite, padding))


def match_overlaps(
    iou: Float[Tensor, "b truths priors"], iou_threshold: float
) -> Int[Tensor, "b priors"]:
    """Match priors by their IoU with each ground-truth box; rows of 0 are padding."""
    matched, overlap, favourite = match_by_threshold(iou, iou_threshold)
    num_truths, num_priors = iou.shape[1:]
    return _replace_by_pairs(
        matched,
        _bipartite_pairs(
            overlap,
            favourite,
            of_favourites=lambda prior: iou.gather(2, prior[:, None].expand(-1, num_truths, -1)),
            of_truths=lambda image, truth: iou[image, truth],
            num_priors=num_priors,
        ),
    )


def match_by_threshold(iou: Float[Tensor, "b truths priors"], iou_threshold: float) -> _ByThreshold:
    """Match each prior to the truth it overlaps most, from the threshold on (rule 2)."""
    matched = torch.full_like(iou[:, 0], UNMATCHED, dtype=torch.int64)
    # The best object is looked up only where it counts: at a few of thousands of priors.
    best = iou.amax(dim=1)
    image, prior = ((best >= iou_threshold) & (best > LEAST_OVERLAP)).nonzero(as_tuple=True)
    matched[image, prior] = iou[image, :, prior].argmax(dim=1)
    return _ByThreshold(matched, *first_largest(iou))


def _replace_by_pairs(
    matched: Int[Tensor, "b priors"], pairs: Iterator[_Pairs]
) -> Int[Tensor, "b priors"]:
    """Let the first rule replace matches of the second one, in place."""
    for image, truth, prior in pairs:
        matched[image, prior] = truth
    return matched


def _bipartite_pairs(
    overlap: Float[Tensor, "b truths"],
    favourite: Int[Tensor, "b truths"],
    *,
    of_favourites: Callable[[Tensor], Tensor],
    of_truths: Callable[[Tensor, Tensor], Tensor],
    num_priors: int,
) -> Iterator[_Pairs]:
    """Match the pair that overlaps most, again and again (rule 1).

    A pair that is best both for its truth and for its prior will be matched whatever happens
    elsewhere, so all such pairs are matched at once: a few rounds instead of one per object.

    `favourite` is the prior that each truth overlaps most, by `overlap`. `of_favourites` computes
    the overlaps of all truths of an image with such priors, (b, truths, truths); `of_truths` those
    of some truths, by image and index, with every prior.
    """
    num_truths = overlap.shape[1]
    truths = torch.arange(num_truths, device=overlap.device)
    free = overlap > LEAST_OVERLAP
    taken = torch.zeros(len(overlap), num_priors, dtype=torch.bool, device=overlap.device)
    favourite = favourite.clone()
    while True:
        # Overlaps of all free truths with the priors that are some truth's best.
        competing = of_favourites(favourite).masked_fill(~free[:, :, None], 0)
        mutual = free & (competing.argmax(dim=1) == truths)
        image, truth = mutual.nonzero(as_tuple=True)
        if not len(image):
            return
        prior = favourite[image, truth]
        yield _Pairs(image, truth, prior)
        free[image, truth] = False
        taken[image, prior] = True
        # Only truths whose best prior is taken need another.
        image, truth = (free & taken.gather(1, favourite)).nonzero(as_tuple=True)
        rest = of_truths(image, truth).masked_fill(taken[image], 0)
        largest, favourite[image, truth] = first_largest(rest)
        free[image, truth] = largest > LEAST_OVERLAP


def first_largest(
    rows: Float[Tensor, "*n m"],
) -> tuple[Float[Tensor, "*n"], Int[Tensor, "*n"]]:
    """Find the largest number of each row and its first index.

    A processor finds a largest number several times faster than its index, so the index is
    searched for in one block of the row only.
    """
    length = rows.shape[-1]
    if length <= BLOCK:
        largest, index = rows.max(dim=-1)
        return largest, index
    # The last block may reach into the one before it, where it then finds nothing larger.
    last = rows[..., -BLOCK:].amax(dim=-1, keepdim=True)
    blocks = torch.cat([rows.unfold(-1, BLOCK, BLOCK).amax(dim=-1), last], dim=-1)
    start = (blocks.argmax(dim=-1, keepdim=True) * BLOCK).clamp_(max=length - BLOCK)
    indices = start + torch.arange(BLOCK, device=rows.device)
    largest, index = rows.gather(-1, indices).max(dim=-1)
    return largest, index + start[..., 0]
