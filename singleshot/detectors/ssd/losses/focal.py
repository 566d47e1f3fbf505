"""Classification losses for classes that are judged each by itself, with sigmoid scores.

Focal losses learn from all priors: what is easy hardly counts, so that thousands of easy negatives
do not drown the few objects. Mining instead picks negatives, as the paper does for softmax scores.
All are sums over the batch.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor
from torchvision.ops import sigmoid_focal_loss

from singleshot.detectors.ssd.losses.mined import hard_negatives, places

__all__ = ["focal", "mined_sigmoid", "quality_focal", "varifocal"]

FOCAL_ALPHA, FOCAL_GAMMA = 0.25, 2.0  # Lin et al. 2017, "Focal Loss", §4.1
QUALITY_BETA = 2.0  # Li et al. 2020, "Generalized Focal Loss", §3
VARIFOCAL_ALPHA, VARIFOCAL_GAMMA = 0.75, 2.0  # Zhang et al. 2021, "VarifocalNet", §5.1


def focal(
    logits: Float[Tensor, "b priors classes"], wanted: Float[Tensor, "b priors classes"]
) -> Float[Tensor, ""]:
    """-α (1 - p)^γ log p of the true class, (1 - α) p^γ … of the others (Lin 2017, equation 5)."""
    loss: Tensor = sigmoid_focal_loss(logits, wanted, FOCAL_ALPHA, FOCAL_GAMMA, reduction="sum")
    return loss


def quality_focal(
    logits: Float[Tensor, "b priors classes"], quality: Float[Tensor, "b priors classes"]
) -> Float[Tensor, ""]:
    """|y - σ|^β times the cross-entropy with quality y; 0 for other classes (Li 2020, eq. 2)."""
    cross_entropy = F.binary_cross_entropy_with_logits(logits, quality, reduction="none")
    return ((quality - logits.sigmoid()).abs() ** QUALITY_BETA * cross_entropy).sum()


def varifocal(
    logits: Float[Tensor, "b priors classes"], quality: Float[Tensor, "b priors classes"]
) -> Float[Tensor, ""]:
    """Cross-entropy with quality q; objects weigh q, all else α p^γ (Zhang 2021, equation 2)."""
    cross_entropy = F.binary_cross_entropy_with_logits(logits, quality, reduction="none")
    of_others = VARIFOCAL_ALPHA * logits.sigmoid() ** VARIFOCAL_GAMMA
    return (torch.where(quality > 0, quality, of_others) * cross_entropy).sum()


def mined_sigmoid(
    logits: Float[Tensor, "b priors classes"],
    wanted: Float[Tensor, "b priors classes"],
    *,
    negatives_per_positive: float,
    min_negatives: int,
    label_smoothing: float,
) -> Float[Tensor, ""]:
    """Cross-entropy of each class at matched priors and the hardest negatives.

    As TensorFlow's first SSDs learned (its `weighted_sigmoid` loss with `hard_example_miner`).
    Smoothed labels lie at ε / 2 and 1 - ε / 2.
    """
    positive = wanted.any(dim=-1)
    # The cross-entropy of every prior, did it match nothing.
    background = F.softplus(logits.detach()).sum(dim=-1)
    negative = hard_negatives(
        background, positive, ratio=negatives_per_positive, at_least=min_negatives
    )
    learned = places(positive | negative)
    smoothed = wanted * (1 - label_smoothing) + label_smoothing / 2
    return F.binary_cross_entropy_with_logits(
        logits.flatten(0, 1).index_select(0, learned),
        smoothed.flatten(0, 1).index_select(0, learned),
        reduction="sum",
    )
