"""What is minimised, as the recipe's `model.loss` says.

Both terms are summed over the batch and divided by the number of matched priors in it; with the
task-aligned rule, by the sum of their weights.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from singleshot.models.ssd import BACKGROUND
from singleshot.models.ssd.box_loss import box_losses
from singleshot.models.ssd.focal import focal, mined_sigmoid, quality_focal, varifocal
from singleshot.models.ssd.loss import Targets, multibox_loss
from singleshot.models.ssd.targets import Matched
from singleshot.recipes.model import ModelSettings
from singleshot.structures import Losses

__all__ = ["objective"]


def objective(
    offsets: Float[Tensor, "b priors 4"],
    logits: Float[Tensor, "b priors columns"],
    matched: Matched,
    priors_cxcywh_unit: Float[Tensor, "priors 4"],
    settings: ModelSettings,
) -> Losses:
    """Both terms; localization is weighted already, so that the total is their sum."""
    said, priors = offsets[matched.image, matched.prior], priors_cxcywh_unit[matched.prior]
    wrong = box_losses(said, matched.boxes_unit, priors, settings) @ matched.weight
    return Losses(
        localization=settings.loss.localization_weight * wrong / matched.total_weight,
        classification=classification_loss(offsets, logits, matched, settings)
        / matched.total_weight,
    )


def classification_loss(
    offsets: Float[Tensor, "b priors 4"],
    logits: Float[Tensor, "b priors columns"],
    matched: Matched,
    settings: ModelSettings,
) -> Float[Tensor, ""]:
    """Summed over the batch."""
    matching = settings.matching
    one = torch.ones_like(matched.quality)
    if settings.heads.scores == "softmax":
        said = offsets[matched.image, matched.prior]
        losses = multibox_loss(
            offsets,
            logits,
            Targets(columns_wanted(logits, matched), said),
            negatives_per_positive=matching.negatives_per_positive,
            min_negatives=matching.min_negatives,
        )
        return losses.classification * max(len(said), 1)
    match settings.loss.classification:
        case "mined":
            return mined_sigmoid(
                logits,
                scores_wanted(logits, matched, one),
                negatives_per_positive=matching.negatives_per_positive,
                min_negatives=matching.min_negatives,
                label_smoothing=settings.loss.label_smoothing,
            )
        case "focal":
            return focal(logits, scores_wanted(logits, matched, one))
        case "quality-focal":
            return quality_focal(logits, scores_wanted(logits, matched, matched.quality))
        case "varifocal":
            return varifocal(logits, scores_wanted(logits, matched, matched.quality))


def columns_wanted(
    logits: Float[Tensor, "b priors columns"], matched: Matched
) -> Int[Tensor, "b priors"]:
    """The column of the class outputs that each prior should choose."""
    wanted = torch.full(logits.shape[:2], BACKGROUND, device=logits.device)
    wanted[matched.image, matched.prior] = matched.labels + BACKGROUND + 1
    return wanted


def scores_wanted(
    logits: Float[Tensor, "b priors classes"], matched: Matched, quality: Float[Tensor, " n"]
) -> Float[Tensor, "b priors classes"]:
    """`quality` at each matched prior for its label, 0 elsewhere."""
    wanted = torch.zeros_like(logits)
    wanted[matched.image, matched.prior, matched.labels] = quality
    return wanted
