"""Which prior learns which object (paper §2.2, "Matching strategy").

Two rules, as in the original's `MatchBBox` (bbox_util.cpp):

1. Bipartite: of all pairs of a free object and a free prior, the one that overlaps most is matched;
   again, until every object has its prior. Ties go to the first prior, then to the first object.
2. Every prior that is still free is matched to the object it overlaps most, from 0.5 on.
"""

from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from singleshot.boxes.geometry import pairwise_iou

__all__ = ["UNMATCHED", "match", "match_boxes"]

UNMATCHED = -1

Pairs = tuple[Tensor, Tensor, Tensor]  # images, truths and priors
FirstLook = tuple[Tensor, Tensor, Tensor]  # (b, priors), (b, truths), (b, truths)

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
    parts = torch.split(boxes, number)
    looked = [first_look_at(part, priors, iou_threshold) for part in parts]
    matched, overlap, favourite = (torch.cat(columns) for columns in zip(*looked, strict=True))
    # All overlaps together would not fit a cache: the few that are asked for again are made anew.
    return with_pairs(
        matched,
        bipartite(
            overlap,
            favourite,
            of_favourites=lambda prior: pairwise_iou(boxes, priors[prior]),
            of_truths=lambda image, truth: pairwise_iou(boxes[image, truth], priors),
            num_priors=len(priors),
        ),
    )


def first_look_at(
    boxes: Float[Tensor, "b truths 4"], priors: Float[Tensor, "priors 4"], iou_threshold: float
) -> FirstLook:
    """`first_look` without the last rows that are padding in every image."""
    filled = boxes.any(dim=2).any(dim=0).nonzero()
    number = int(filled[-1]) + 1 if len(filled) else 1
    matched, overlap, favourite = first_look(pairwise_iou(boxes[:, :number], priors), iou_threshold)
    padding = (0, boxes.shape[1] - number)
    return matched, F.pad(overlap, padding), F.pad(favourite, padding)


def match(iou: Float[Tensor, "b truths priors"], iou_threshold: float) -> Int[Tensor, "b priors"]:
    """The object of each prior as an index into the truths, or UNMATCHED; rows of 0 are padding."""
    matched, overlap, favourite = first_look(iou, iou_threshold)
    num_truths, num_priors = iou.shape[1:]
    return with_pairs(
        matched,
        bipartite(
            overlap,
            favourite,
            of_favourites=lambda prior: iou.gather(2, prior[:, None].expand(-1, num_truths, -1)),
            of_truths=lambda image, truth: iou[image, truth],
            num_priors=num_priors,
        ),
    )


def first_look(iou: Float[Tensor, "b truths priors"], iou_threshold: float) -> FirstLook:
    """The truth of each prior by the second rule; each truth's largest overlap and its prior."""
    matched = torch.full_like(iou[:, 0], UNMATCHED, dtype=torch.int64)
    # The best object is looked up only where it counts: at a few of thousands of priors.
    best = iou.amax(dim=1)
    image, prior = ((best >= iou_threshold) & (best > LEAST_OVERLAP)).nonzero(as_tuple=True)
    matched[image, prior] = iou[image, :, prior].argmax(dim=1)
    return matched, *first_largest(iou)


def with_pairs(matched: Int[Tensor, "b priors"], pairs: Iterator[Pairs]) -> Tensor:
    """The first rule has the last word."""
    for image, truth, prior in pairs:
        matched[image, prior] = truth
    return matched


def bipartite(
    overlap: Float[Tensor, "b truths"],
    favourite: Int[Tensor, "b truths"],
    *,
    of_favourites: Callable[[Tensor], Tensor],
    of_truths: Callable[[Tensor, Tensor], Tensor],
    num_priors: int,
) -> Iterator[Pairs]:
    """Repeatedly match the pair that overlaps most; gives images, truths and priors of the pairs.

    A pair that is best both for its truth and for its prior is going to be matched whatever happens
    elsewhere, so all such pairs are matched at once: a few rounds instead of one per object.

    `favourite` is the prior that each truth overlaps most, by `overlap`. `of_favourites` gives what
    all truths of an image overlap such priors, (b, truths, truths); `of_truths` what some truths,
    by image and number, overlap every prior.
    """
    num_truths = overlap.shape[1]
    truths = torch.arange(num_truths, device=overlap.device)
    free = overlap > LEAST_OVERLAP
    taken = torch.zeros(len(overlap), num_priors, dtype=torch.bool, device=overlap.device)
    favourite = favourite.clone()
    while True:
        # What all free truths make of the priors that some truth likes best.
        wanted = of_favourites(favourite).masked_fill(~free[:, :, None], 0)
        mutual = free & (wanted.argmax(dim=1) == truths)
        image, truth = mutual.nonzero(as_tuple=True)
        if not len(image):
            return
        prior = favourite[image, truth]
        yield image, truth, prior
        free[image, truth] = False
        taken[image, prior] = True
        # Only the truths whose best prior is gone look for another.
        image, truth = (free & taken.gather(1, favourite)).nonzero(as_tuple=True)
        rest = of_truths(image, truth).masked_fill(taken[image], 0)
        largest, favourite[image, truth] = first_largest(rest)
        free[image, truth] = largest > LEAST_OVERLAP


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
