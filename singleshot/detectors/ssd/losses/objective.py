"""The MultiBox loss, with the terms that the recipe's `model.loss` names.

Both terms are summed over the batch and divided by the number of matched priors in it (paper §2.2,
"Training objective", with smooth L1 and mined softmax). With the task-aligned rule terms weighted
by alignment are divided by the sum of the weights instead.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from singleshot.detectors.detector import Losses, Weight
from singleshot.detectors.ssd import BACKGROUND
from singleshot.detectors.ssd.losses.boxes import box_losses
from singleshot.detectors.ssd.losses.focal import focal, mined_sigmoid, quality_focal, varifocal
from singleshot.detectors.ssd.losses.mined import mined_cross_entropy
from singleshot.detectors.ssd.matching.targets import Matched, Outputs
from singleshot.detectors.ssd.settings import SsdSettings

__all__ = ["objective"]


def objective(
    outputs: Outputs,
    matched: Matched,
    priors_cxcywh_unit: Float[Tensor, "priors 4"],
    settings: SsdSettings,
) -> Losses:
    """Sum both terms over the batch; localization is weighted already."""
    place = matched.image * len(priors_cxcywh_unit) + matched.prior
    offsets = outputs.offsets.flatten(0, 1).index_select(0, place)
    priors = priors_cxcywh_unit[matched.prior]
    # No matrix product: under mixed precision it would be one of half precision.
    wrong = (box_losses(offsets, matched.boxes_unit, priors, settings) * matched.weight).sum()
    classification, weight = classification_loss(outputs.logits, matched, settings)
    return Losses(
        {
            "localization": settings.loss.localization_weight * wrong,
            "classification": classification,
        },
        {"localization": matched.weight.sum(), "classification": weight},
        num_matches=len(matched.prior),
    )


def classification_loss(
    logits: Float[Tensor, "b priors columns"], matched: Matched, settings: SsdSettings
) -> tuple[Float[Tensor, ""], Weight]:
    """Sum the loss that the recipe names; the second is what it is divided by."""
    match settings.loss.classification:
        case "mined":
            return mined_loss(logits, matched, settings), len(matched.prior)
        case "focal":
            one = torch.ones_like(matched.quality)
            return focal(logits, scores_wanted(logits, matched, one)), len(matched.prior)
        case "quality-focal":
            wanted = scores_wanted(logits, matched, matched.quality)
            return quality_focal(logits, wanted), matched.weight.sum()
        case "varifocal":
            wanted = scores_wanted(logits, matched, matched.quality)
            return varifocal(logits, wanted), matched.weight.sum()


def mined_loss(
    logits: Float[Tensor, "b priors columns"], matched: Matched, settings: SsdSettings
) -> Float[Tensor, ""]:
    """Cross-entropy of matches and the hardest negatives, for either kind of scores."""
    if settings.heads.scores == "softmax":
        return mined_cross_entropy(
            logits,
            columns_wanted(logits, matched),
            negatives_per_positive=settings.matching.negatives_per_positive,
            min_negatives=settings.matching.min_negatives,
            label_smoothing=settings.loss.label_smoothing,
        )
    return mined_sigmoid(
        logits,
        scores_wanted(logits, matched, torch.ones_like(matched.quality)),
        negatives_per_positive=settings.matching.negatives_per_positive,
        min_negatives=settings.matching.min_negatives,
        label_smoothing=settings.loss.label_smoothing,
    )


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
