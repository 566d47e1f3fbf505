"""Which prior learns which object (paper §2.2, "Matching strategy").

Two rules, as in the original's `MatchBBox` (bbox_util.cpp):

1. Bipartite: of all pairs of a free object and a free prior, the one that overlaps most is matched;
   again, until every object has its prior. Ties go to the first prior, then to the first object.
2. Every prior that is still free is matched to the object it overlaps most, from 0.5 on.
"""

from collections.abc import Iterator

import torch
from jaxtyping import Float, Int
from torch import Tensor

from singleshot.boxes.iou import pairwise_iou

__all__ = ["UNMATCHED", "match", "match_boxes"]

UNMATCHED = -1

# The original does not count a smaller overlap as one (bbox_util.cpp, `MatchBBox`).
LEAST_OVERLAP = 1e-6

# Overlaps worked on at a time: as many as a processor's cache holds.
PAIRS_AT_A_TIME = 2**20

# Numbers whose largest is found before its place; see `first_largest`.
BLOCK = 256


def match_boxes(
    boxes: Float[Tensor, "b truths 4"], priors: Float[Tensor, "priors 4"], iou_threshold: float
) -> Int[Tensor, "b priors"]:
    """`match` by the overlap of truths and priors, both in corners; boxes of 0 are padding."""
    if boxes.device.type != "cpu":
        return match(pairwise_iou(boxes, priors), iou_threshold)
    number = max(1, PAIRS_AT_A_TIME // (boxes.shape[1] * len(priors)))
    parts = [trimmed(boxes[first : first + number]) for first in range(0, len(boxes), number)]
    return torch.cat([match(pairwise_iou(part, priors), iou_threshold) for part in parts])


def trimmed(boxes: Float[Tensor, "b truths 4"]) -> Float[Tensor, "b fewer 4"]:
    """Without the last rows that are padding in every picture; one row always stays."""
    filled = boxes.any(dim=2).any(dim=0).nonzero()
    return boxes[:, : int(filled[-1]) + 1 if len(filled) else 1]


def match(iou: Float[Tensor, "b truths priors"], iou_threshold: float) -> Int[Tensor, "b priors"]:
    """The object of each prior as an index into the truths, or UNMATCHED; rows of 0 are padding."""
    matched = torch.full_like(iou[:, 0], UNMATCHED, dtype=torch.int64)
    # The best object is looked up only where it counts: at a few of thousands of priors.
    best = iou.amax(dim=1)
    image, prior = ((best >= iou_threshold) & (best > LEAST_OVERLAP)).nonzero(as_tuple=True)
    matched[image, prior] = iou[image, :, prior].argmax(dim=1)
    for image, truth, prior in bipartite(iou):
        matched[image, prior] = truth
    return matched


def bipartite(
    iou: Float[Tensor, "b truths priors"],
) -> Iterator[tuple[Int[Tensor, " n"], Int[Tensor, " n"], Int[Tensor, " n"]]]:
    """Repeatedly match the pair that overlaps most; gives images, truths and priors of the pairs.

    A pair that is best both for its truth and for its prior is going to be matched whatever happens
    elsewhere, so all such pairs are matched at once: a few rounds instead of one per object.
    """
    num_truths = iou.shape[1]
    truths = torch.arange(num_truths, device=iou.device)
    overlap, prior_of_truth = first_largest(iou)
    free = overlap > LEAST_OVERLAP
    taken = torch.zeros_like(iou[:, 0], dtype=torch.bool)
    while True:
        # What all free truths make of the priors that some truth likes best.
        wanted = iou.gather(2, prior_of_truth[:, None].expand(-1, num_truths, -1))
        wanted.masked_fill_(~free[:, :, None], 0)
        mutual = free & (wanted.argmax(dim=1) == truths)
        image, truth = mutual.nonzero(as_tuple=True)
        if not len(image):
            return
        prior = prior_of_truth[image, truth]
        yield image, truth, prior
        free[image, truth] = False
        taken[image, prior] = True
        # Only the truths whose best prior is gone look for another.
        image, truth = (free & taken.gather(1, prior_of_truth)).nonzero(as_tuple=True)
        rest = iou[image, truth].masked_fill_(taken[image], 0)
        overlap, prior_of_truth[image, truth] = first_largest(rest)
        free[image, truth] = overlap > LEAST_OVERLAP


def first_largest(
    rows: Float[Tensor, "*n m"],
) -> tuple[Float[Tensor, "*n"], Int[Tensor, "*n"]]:
    """The largest number of each row and the first place where it stands.

    A processor finds a largest number several times faster than its place, so the place is looked
    for in one block of the row only.
    """
    length = rows.shape[-1]
    if length <= BLOCK:
        largest, place = rows.max(dim=-1)
        return largest, place
    # The last block may reach into the one before it, where it then finds nothing larger.
    last = rows[..., -BLOCK:].amax(dim=-1, keepdim=True)
    blocks = torch.cat([rows.unfold(-1, BLOCK, BLOCK).amax(dim=-1), last], dim=-1)
    start = (blocks.argmax(dim=-1, keepdim=True) * BLOCK).clamp_(max=length - BLOCK)
    places = start + torch.arange(BLOCK, device=rows.device)
    largest, place = rows.gather(-1, places).max(dim=-1)
    return largest, place + start[..., 0]
