"""When several objects claim one prior."""

import math

from jaxtyping import Bool, Float, Int
from torch import Tensor

from singleshot.detectors.ssd.matching.bipartite import UNMATCHED

__all__ = ["best_claim"]


def best_claim(
    claimed: Bool[Tensor, "b truths priors"], worth: Float[Tensor, "b truths priors"]
) -> Int[Tensor, "b priors"]:
    """Of the truths that claim a prior, the one it is worth most to; else UNMATCHED."""
    most, truth = worth.masked_fill(~claimed, -math.inf).max(dim=1)
    return truth.masked_fill(most == -math.inf, UNMATCHED)
