"""The classification loss of the paper (§2.2, "Training objective" and "Hard negative mining").

As in the original's `multibox_loss_layer.cpp` and `MineHardExamples` (bbox_util.cpp): mining goes
by image. An image without objects has no negatives either, unless `min_negatives` gives it some.
"""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from singleshot.detectors.ssd import BACKGROUND

__all__ = ["hard_negatives", "mined_cross_entropy", "places"]

# e^80 times as many columns as there may be is still a float32, and so is e^-80.
LARGEST_EXPONENT = 80.0


def mined_cross_entropy(
    logits: Float[Tensor, "b priors columns"],
    columns: Int[Tensor, "b priors"],
    *,
    negatives_per_positive: float,
    min_negatives: int,
    label_smoothing: float = 0.0,
) -> Float[Tensor, ""]:
    """Summed over matched priors and the hardest negatives of each image."""
    positive = columns != BACKGROUND
    negative = hard_negatives(
        odds_against_background(logits),
        positive,
        ratio=negatives_per_positive,
        at_least=min_negatives,
    )
    # Of thousands of priors a few hundred are learned from: the others need no gradient.
    learned = places(positive | negative)
    return F.cross_entropy(
        logits.flatten(0, 1).index_select(0, learned),
        columns.flatten().index_select(0, learned),
        reduction="sum",
        label_smoothing=label_smoothing,
    )


@torch.no_grad()
def odds_against_background(
    logits: Float[Tensor, "b priors columns"],
) -> Float[Tensor, "b priors"]:
    """The inverse of the background's score: ranks priors as its cross-entropy does.

    Logits beyond ±80 count as ±80, where a score differs from 0 or 1 in its 35th digit.
    """
    ones = logits.new_ones(logits.shape[-1])

    def of_image(logits: Tensor) -> Tensor:
        powers = logits.clamp(-LARGEST_EXPONENT, LARGEST_EXPONENT).exp_()
        return (powers @ ones) / powers[:, BACKGROUND]

    # A product of matrices would be of half precision under mixed precision.
    with torch.autocast(logits.device.type, enabled=False):
        # Image by image, what is computed for all columns does not leave the cache.
        return torch.stack([of_image(image) for image in logits])


def places(mask: Bool[Tensor, "b priors"]) -> Int[Tensor, " n"]:
    """Where it is true, counted through the whole batch."""
    return mask.flatten().nonzero()[:, 0]


def hard_negatives(
    loss: Float[Tensor, "b priors"],
    positive: Bool[Tensor, "b priors"],
    *,
    ratio: float,
    at_least: int = 0,
) -> Bool[Tensor, "b priors"]:
    """Mark in each image the negatives with the highest loss, `ratio` for every positive.

    Of equal losses the first are taken. Nothing is sorted beyond the largest budget of the batch.
    """
    num_positive = positive.sum(dim=1, keepdim=True)
    # As in the original, a part of a negative is none.
    budget = (ratio * num_positive).floor().long().clamp(min=at_least)
    budget = budget.minimum(loss.shape[1] - num_positive)
    hardest = loss.masked_fill(positive, -math.inf).topk(int(budget.max()), dim=1).values
    # What the last one taken has; an image that takes none has no loss as high.
    least = F.pad(hardest, (1, 0), value=math.inf).gather(1, budget)
    # What is no number counts as hard: the loss must show that something is wrong.
    harder = ~(loss <= least) & ~positive
    tied = (loss == least) & ~positive
    room = budget - harder.sum(dim=1, keepdim=True)
    return harder | (tied & (tied.cumsum(dim=1) <= room))
