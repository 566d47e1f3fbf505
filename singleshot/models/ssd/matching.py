"""Which prior learns which object (paper §2.2, "Matching strategy").

Two rules, as in the original's `MatchBBox` (bbox_util.cpp):

1. Bipartite: of all pairs of a free object and a free prior, the one that overlaps most is matched;
   again, until every object has its prior. Ties go to the first prior, then to the first object.
2. Every prior that is still free is matched to the object it overlaps most, from 0.5 on.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

__all__ = ["UNMATCHED", "bipartite", "match"]

UNMATCHED = -1

# The original does not count a smaller overlap as one (bbox_util.cpp, `MatchBBox`).
LEAST_OVERLAP = 1e-6


def match(iou: Float[Tensor, "b truths priors"], iou_threshold: float) -> Int[Tensor, "b priors"]:
    """The object of each prior as an index into the truths, or UNMATCHED; rows of 0 are padding."""
    best_iou, best_truth = iou.max(dim=1)
    overlapping = (best_iou >= iou_threshold) & (best_iou > LEAST_OVERLAP)
    by_overlap = best_truth.masked_fill(~overlapping, UNMATCHED)
    pairs = bipartite(iou)
    return torch.where(pairs == UNMATCHED, by_overlap, pairs)


def bipartite(iou: Float[Tensor, "b truths priors"]) -> Int[Tensor, "b priors"]:
    """Repeatedly match the pair that overlaps most; the truth of each prior, or UNMATCHED.

    A pair that is best both for its truth and for its prior is going to be matched whatever happens
    elsewhere, so all such pairs are matched at once: a few rounds instead of one per object.
    """
    num_truths = iou.shape[1]
    matched = torch.full_like(iou[:, 0], UNMATCHED, dtype=torch.int64)
    free = torch.where(iou > LEAST_OVERLAP, iou, 0)
    truths = torch.arange(num_truths, device=iou.device)
    while True:
        pair_iou, prior_of_truth = free.max(dim=2)
        truth_of_prior = free.argmax(dim=1)
        mutual = (truth_of_prior.gather(1, prior_of_truth) == truths) & (pair_iou > 0)
        if not mutual.any():
            return matched
        image, truth = mutual.nonzero(as_tuple=True)
        prior = prior_of_truth[image, truth]
        matched[image, prior] = truth
        free[image, truth] = 0
        free[image, :, prior] = 0
