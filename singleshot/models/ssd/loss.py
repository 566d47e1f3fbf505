"""The MultiBox loss (paper §2.2, "Training objective" and "Hard negative mining").

As in the original's `multibox_loss_layer.cpp` and `MineHardExamples` (bbox_util.cpp): both terms
are summed over the batch and divided by the number of matched priors in the whole batch; mining
goes by picture. A picture without objects has no negatives either, unless `min_negatives` gives it
some.
"""

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from singleshot.models.ssd import BACKGROUND
from singleshot.structures import Losses

__all__ = ["Targets", "hard_negatives", "multibox_loss"]


class Targets(NamedTuple):
    """What a batch of raw outputs is compared with."""

    columns: Int[Tensor, "b priors"]  # of the class outputs; BACKGROUND where nothing is matched
    offsets: Float[Tensor, "n 4"]  # of the matched priors, picture by picture


def multibox_loss(
    offsets: Float[Tensor, "b priors 4"],
    logits: Float[Tensor, "b priors columns"],
    targets: Targets,
    *,
    negatives_per_positive: float,
    min_negatives: int,
) -> Losses:
    """Smooth L1 on matched priors and softmax cross-entropy on those and the hardest negatives."""
    positive = targets.columns != BACKGROUND
    # No object in the whole batch: the loss is then 0, not 0 / 0.
    num_positive = max(len(targets.offsets), 1)
    localization = F.smooth_l1_loss(offsets[positive], targets.offsets, reduction="sum")
    cross_entropy = F.cross_entropy(logits.transpose(1, 2), targets.columns, reduction="none")
    negative = hard_negatives(
        cross_entropy.detach(), positive, ratio=negatives_per_positive, at_least=min_negatives
    )
    return Losses(
        localization=localization / num_positive,
        classification=cross_entropy.masked_fill(~(positive | negative), 0).sum() / num_positive,
    )


def hard_negatives(
    loss: Float[Tensor, "b priors"],
    positive: Bool[Tensor, "b priors"],
    *,
    ratio: float,
    at_least: int = 0,
) -> Bool[Tensor, "b priors"]:
    """Mark in each image the negatives with the highest loss, `ratio` for every positive."""
    budget = (ratio * positive.sum(dim=1, keepdim=True)).clamp(min=at_least)
    hardest_first = loss.masked_fill(positive, -math.inf).argsort(
        dim=1, descending=True, stable=True
    )
    rank = torch.empty_like(hardest_first).scatter_(
        1, hardest_first, torch.arange(loss.shape[1], device=loss.device).expand_as(loss)
    )
    return (rank < budget) & ~positive
