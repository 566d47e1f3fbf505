"""The MultiBox loss (paper §2.2, "Training objective" and "Hard negative mining").

    L = (L_classification + α · L_localization) / N

Localization is smooth L1 of the offsets of matched priors, classification the cross-entropy of
matched priors and of the hardest negatives; N is the number of matched priors in the batch. Later
losses take the place of either term: IoU losses of boxes, focal losses on all priors. What the
task-aligned rule weights by alignment is divided by the sum of the weights instead of N.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torchvision.ops import (
    complete_box_iou_loss,
    distance_box_iou_loss,
    generalized_box_iou_loss,
    sigmoid_focal_loss,
)
from typing_extensions import assert_never

from singleshot.boxes.geometry import from_unit
from singleshot.detectors.common.box_coding import OFFSET_SCALES, decode, encode
from singleshot.detectors.detector import Losses, Weight
from singleshot.detectors.ssd import BACKGROUND
from singleshot.detectors.ssd.matching import Matched, SsdOutputs
from singleshot.detectors.ssd.priors import Priors
from singleshot.detectors.ssd.settings import (
    ClassificationLoss,
    ClassificationLossKind,
    LocalizationLoss,
    LocalizationLossKind,
    LossSettings,
    MatchingSettings,
    Scores,
    classification_loss_of,
    localization_loss_of,
)

__all__ = [
    "PAPER_LOSS",
    "LossOptions",
    "box_losses",
    "flat_indices",
    "focal",
    "hard_negatives",
    "mined_cross_entropy",
    "mined_negatives",
    "mined_sigmoid",
    "multibox_loss",
    "quality_focal",
    "varifocal",
]

# e^80 times as many columns as there may be is still a float32, and so is e^-80.
LARGEST_EXPONENT = 80.0

FOCAL_ALPHA, FOCAL_GAMMA = 0.25, 2.0  # Lin et al. 2017, "Focal Loss", §4.1
QUALITY_BETA = 2.0  # Li et al. 2020, "Generalized Focal Loss", §3
VARIFOCAL_ALPHA, VARIFOCAL_GAMMA = 0.75, 2.0  # Zhang et al. 2021, "VarifocalNet", §5.1


@dataclass(frozen=True, slots=True)
class LossOptions:
    """The two terms and their numbers; the defaults are the paper's."""

    classification: ClassificationLoss | ClassificationLossKind = "mined"
    localization: LocalizationLoss | LocalizationLossKind = "smooth-l1"
    localization_weight: float = 1.0  # α
    label_smoothing: float = 0.0  # of mined cross-entropy: probability taken from the true class
    negatives_per_positive: float = 3.0
    min_negatives: int = 0  # of an image, with objects or without

    @classmethod
    def from_settings(cls, loss: LossSettings, matching: MatchingSettings) -> "LossOptions":
        """Translate `model.loss` and the numbers of negatives in `model.matching`."""
        return cls(
            classification_loss_of(loss.classification),
            localization_loss_of(loss.localization),
            loss.localization_weight,
            loss.label_smoothing,
            matching.negatives_per_positive,
            matching.min_negatives,
        )


PAPER_LOSS = LossOptions()


def multibox_loss(
    outputs: SsdOutputs,
    matched: Matched,
    priors: Priors,
    options: LossOptions = PAPER_LOSS,
    *,
    scores: Scores = "softmax",
) -> Losses:
    """Sum both terms over the batch; localization is weighted already."""
    place = matched.image * len(priors.boxes_cxcywh_unit) + matched.prior
    losses = box_losses(
        outputs.offsets.flatten(0, 1).index_select(0, place),
        matched.boxes_unit,
        priors.boxes_cxcywh_unit[matched.prior],
        kind=options.localization,
        offset_scales=priors.offset_scales,
        size=priors.size,
    )
    # No matrix product: under mixed precision it would be one of half precision.
    localization = options.localization_weight * (losses * matched.weight).sum()
    classification, weight = classification_loss(outputs.logits, matched, options, scores=scores)
    return Losses(
        {"localization": localization, "classification": classification},
        {"localization": matched.weight.sum(), "classification": weight},
        num_matches=len(matched.prior),
    )


def box_losses(
    offsets: Float[Tensor, "n 4"],
    truths_unit: Float[Tensor, "n 4"],
    priors_cxcywh_unit: Float[Tensor, "n 4"],
    *,
    kind: LocalizationLoss | LocalizationLossKind = "smooth-l1",
    offset_scales: tuple[float, float] = OFFSET_SCALES,
    size: tuple[int, int],
) -> Float[Tensor, " n"]:
    """Compute the localization loss of each predicted box; `size` is (height, width) of the input.

    IoU losses are of decoded boxes in pixels of the input: the distances and aspect ratios in DIoU
    and CIoU (Zheng et al. 2020) would be distorted in fractions of an image that is not square.
    """
    if kind == "smooth-l1":
        targets = encode(truths_unit, priors_cxcywh_unit, offset_scales)
        return F.smooth_l1_loss(offsets, targets, reduction="none").sum(dim=-1)
    boxes = from_unit(decode(offsets, priors_cxcywh_unit, offset_scales), size)
    truths = from_unit(truths_unit, size)
    loss: Tensor
    match kind:
        case "giou":  # Rezatofighi et al. 2019
            loss = generalized_box_iou_loss(boxes, truths, reduction="none")
        case "diou":
            loss = distance_box_iou_loss(boxes, truths, reduction="none")
        case "ciou":
            loss = complete_box_iou_loss(boxes, truths, reduction="none")
        case LocalizationLossKind():
            loss = kind.compute(boxes, truths)
        case _:
            assert_never(kind)
    return loss


def classification_loss(
    logits: Float[Tensor, "b priors columns"],
    matched: Matched,
    options: LossOptions,
    *,
    scores: Scores,
) -> tuple[Float[Tensor, ""], Weight]:
    """Sum the classification loss; the second is the weight that it is divided by."""
    match options.classification:
        case "mined":
            return mined_loss(logits, matched, options, scores=scores), len(matched.prior)
        case "focal":
            targets = _target_scores(logits, matched, torch.ones_like(matched.quality))
            return focal(logits, targets), len(matched.prior)
        case "quality-focal":
            targets = _target_scores(logits, matched, matched.quality)
            return quality_focal(logits, targets), matched.weight.sum()
        case "varifocal":
            targets = _target_scores(logits, matched, matched.quality)
            return varifocal(logits, targets), matched.weight.sum()
        case ClassificationLossKind():
            targets = _target_scores(logits, matched, torch.ones_like(matched.quality))
            return options.classification.compute(logits, targets), len(matched.prior)
        case _:
            assert_never(options.classification)


def mined_loss(
    logits: Float[Tensor, "b priors columns"],
    matched: Matched,
    options: LossOptions,
    *,
    scores: Scores,
) -> Float[Tensor, ""]:
    """Sum the cross-entropy of matched priors and the hardest negatives, for either scores."""
    match scores:
        case "softmax":
            return mined_cross_entropy(
                logits,
                _target_columns(logits, matched),
                negatives_per_positive=options.negatives_per_positive,
                min_negatives=options.min_negatives,
                label_smoothing=options.label_smoothing,
            )
        case "sigmoid":
            return mined_sigmoid(
                logits,
                _target_scores(logits, matched, torch.ones_like(matched.quality)),
                negatives_per_positive=options.negatives_per_positive,
                min_negatives=options.min_negatives,
                label_smoothing=options.label_smoothing,
            )
        case _:
            assert_never(scores)


def _target_columns(
    logits: Float[Tensor, "b priors columns"], matched: Matched
) -> Int[Tensor, "b priors"]:
    """Return the true column of each prior: that of its label, or the background."""
    targets = torch.full(logits.shape[:2], BACKGROUND, device=logits.device)
    targets[matched.image, matched.prior] = matched.labels + BACKGROUND + 1
    return targets


def _target_scores(
    logits: Float[Tensor, "b priors classes"], matched: Matched, quality: Float[Tensor, " n"]
) -> Float[Tensor, "b priors classes"]:
    """Return `quality` at each matched prior for its label, 0 elsewhere."""
    targets = torch.zeros_like(logits)
    targets[matched.image, matched.prior, matched.labels] = quality
    return targets


def mined_cross_entropy(
    logits: Float[Tensor, "b priors columns"],
    columns: Int[Tensor, "b priors"],
    *,
    negatives_per_positive: float,
    min_negatives: int,
    label_smoothing: float = 0.0,
) -> Float[Tensor, ""]:
    """Sum the softmax cross-entropy of matched priors and the hardest negatives of each image.

    As in the original's `multibox_loss_layer.cpp`. An image without objects has no negatives
    either, unless `min_negatives` gives it some.
    """
    positive = columns != BACKGROUND
    negative = mined_negatives(
        logits, positive, scores="softmax", ratio=negatives_per_positive, at_least=min_negatives
    )
    # Of thousands of priors a few hundred are trained on: the others need no gradient.
    selected = flat_indices(positive | negative)
    return F.cross_entropy(
        logits.flatten(0, 1).index_select(0, selected),
        columns.flatten().index_select(0, selected),
        reduction="sum",
        label_smoothing=label_smoothing,
    )


def mined_sigmoid(
    logits: Float[Tensor, "b priors classes"],
    targets: Float[Tensor, "b priors classes"],
    *,
    negatives_per_positive: float,
    min_negatives: int,
    label_smoothing: float,
) -> Float[Tensor, ""]:
    """Sum the binary cross-entropies of matched priors and the hardest negatives of each image.

    As in TensorFlow's first SSDs (its `weighted_sigmoid` loss with `hard_example_miner`). Smoothed
    labels lie at ε / 2 and 1 - ε / 2.
    """
    positive = targets.any(dim=-1)
    negative = mined_negatives(
        logits, positive, scores="sigmoid", ratio=negatives_per_positive, at_least=min_negatives
    )
    selected = flat_indices(positive | negative)
    smoothed = targets * (1 - label_smoothing) + label_smoothing / 2
    return F.binary_cross_entropy_with_logits(
        logits.flatten(0, 1).index_select(0, selected),
        smoothed.flatten(0, 1).index_select(0, selected),
        reduction="sum",
    )


@torch.no_grad()
def mined_negatives(
    logits: Float[Tensor, "b priors columns"],
    positive: Bool[Tensor, "b priors"],
    *,
    scores: Scores,
    ratio: float,
    at_least: int = 0,
) -> Bool[Tensor, "b priors"]:
    """Mark the hard negatives of each image by its outputs, for either kind of scores."""
    match scores:
        case "softmax":
            loss = odds_against_background(logits)
        case "sigmoid":
            # The cross-entropy of every prior if it were background.
            loss = F.softplus(logits).sum(dim=-1)
        case _:
            assert_never(scores)
    return hard_negatives(loss, positive, ratio=ratio, at_least=at_least)


@torch.no_grad()
def odds_against_background(
    logits: Float[Tensor, "b priors columns"],
) -> Float[Tensor, "b priors"]:
    """Compute the inverse of the background's score: ranks priors as its cross-entropy does.

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


def hard_negatives(
    loss: Float[Tensor, "b priors"],
    positive: Bool[Tensor, "b priors"],
    *,
    ratio: float,
    at_least: int = 0,
) -> Bool[Tensor, "b priors"]:
    """Mark in each image the negatives with the highest loss, `ratio` for every positive.

    As in the original's `MineHardExamples` (bbox_util.cpp). Of equal losses the first are taken.
    """
    num_positive = positive.sum(dim=1, keepdim=True)
    # As in the original, a fraction of a negative is none.
    budget = (ratio * num_positive).floor().long().clamp(min=at_least)
    budget = budget.minimum(loss.shape[1] - num_positive)
    # Nothing is sorted beyond the largest budget, but on a GPU: the host would wait for the number.
    most = loss.shape[1] if loss.is_cuda else int(budget.max())
    hardest = loss.masked_fill(positive, -math.inf).topk(most, dim=1).values
    # The loss of the last one taken; an image that takes none has no loss as high.
    least = F.pad(hardest, (1, 0), value=math.inf).gather(1, budget)
    # NaN counts as hard: the loss must show that something is wrong.
    harder = ~(loss <= least) & ~positive
    tied = (loss == least) & ~positive
    remaining = budget - harder.sum(dim=1, keepdim=True)
    return harder | (tied & (tied.cumsum(dim=1) <= remaining))


def flat_indices(mask: Bool[Tensor, "b priors"]) -> Int[Tensor, " n"]:
    """Return the indices of the true entries of the flattened mask."""
    return mask.flatten().nonzero()[:, 0]


def focal(
    logits: Float[Tensor, "b priors classes"], targets: Float[Tensor, "b priors classes"]
) -> Float[Tensor, ""]:
    """Sum -α (1 - p)^γ log p of the true class, (1 - α) p^γ … of the others (Lin 2017, eq. 5).

    Easy priors hardly count, so that thousands of them do not drown the few objects.
    """
    loss: Tensor = sigmoid_focal_loss(logits, targets, FOCAL_ALPHA, FOCAL_GAMMA, reduction="sum")
    return loss


def quality_focal(
    logits: Float[Tensor, "b priors classes"], quality: Float[Tensor, "b priors classes"]
) -> Float[Tensor, ""]:
    """Sum |y - σ|^β times the cross-entropy with y, the quality or 0 (Li 2020, eq. 2)."""
    cross_entropy = F.binary_cross_entropy_with_logits(logits, quality, reduction="none")
    return ((quality - logits.sigmoid()).abs() ** QUALITY_BETA * cross_entropy).sum()


def varifocal(
    logits: Float[Tensor, "b priors classes"], quality: Float[Tensor, "b priors classes"]
) -> Float[Tensor, ""]:
    """Sum cross-entropies with quality q; objects weigh q, all else α p^γ (Zhang 2021, eq. 2)."""
    cross_entropy = F.binary_cross_entropy_with_logits(logits, quality, reduction="none")
    of_others = VARIFOCAL_ALPHA * logits.sigmoid() ** VARIFOCAL_GAMMA
    return (torch.where(quality > 0, quality, of_others) * cross_entropy).sum()
