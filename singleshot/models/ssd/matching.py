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

__all__ = ["UNMATCHED", "match"]

UNMATCHED = -1

# The original does not count a smaller overlap as one (bbox_util.cpp, `MatchBBox`).
LEAST_OVERLAP = 1e-6


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
    free = iou.clone()
    while True:
        pair_iou, prior_of_truth = free.max(dim=2)
        # What all truths make of the priors that some truth likes best.
        wanted = free.gather(2, prior_of_truth[:, None].expand(-1, num_truths, -1))
        mutual = (wanted.argmax(dim=1) == truths) & (pair_iou > LEAST_OVERLAP)
        image, truth = mutual.nonzero(as_tuple=True)
        if not len(image):
            return
        prior = prior_of_truth[image, truth]
        yield image, truth, prior
        free[image, truth] = 0
        free[image, :, prior] = 0
