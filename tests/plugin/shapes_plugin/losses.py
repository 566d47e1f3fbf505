"""Losses of an SSD, chosen in a recipe by `model.loss.classification` and `.localization`."""

import torch
import torch.nn.functional as F
from torch import Tensor

import singleshot


def balanced(logits: Tensor, targets: Tensor) -> Tensor:
    """Sum the cross-entropies of all priors and classes; objects weigh 20 times as much."""
    weight = torch.tensor(20.0, device=logits.device)
    return F.binary_cross_entropy_with_logits(logits, targets, pos_weight=weight, reduction="sum")


def corners(boxes: Tensor, truths: Tensor) -> Tensor:
    """Measure the distance of corners in pixels for each matched prior."""
    return F.smooth_l1_loss(boxes, truths, reduction="none").sum(dim=1)


BALANCED = singleshot.ClassificationLossKind("balanced", balanced)
CORNERS = singleshot.LocalizationLossKind("corners", corners)
