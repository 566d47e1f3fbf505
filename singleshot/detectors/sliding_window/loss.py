"""How a classifier learns from the windows of images: objects, and what is taken for one.

The hardest windows of background are found in the same images, at each step: Dalal and Triggs
2005, §4, go through the training images once more for them; OverFeat takes "the most offending
ones" while it trains (Sermanet et al. 2014, §5).
"""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from singleshot.boxes.geometry import pairwise_iou
from singleshot.detectors.detector import Losses
from singleshot.detectors.rcnn.region_sampling import BACKGROUND, IGNORED, Objects, objects_of
from singleshot.detectors.sliding_window.settings import SlidingWindowSettings
from singleshot.structures import Truth

__all__ = ["hardest", "hinge", "labels_of", "window_losses"]


def window_losses(
    logits: Float[Tensor, "b windows columns"],
    windows: Float[Tensor, "windows 4"],
    truths: Sequence[Truth],
    settings: SlidingWindowSettings,
) -> Losses:
    """The mean over the chosen windows of an image, on average over the images.

    Windows are in pixels of the input. Where they stand is all that a window says of a box.
    """
    found, num_matches = [], 0
    for said, truth in zip(logits, truths, strict=True):
        labels = labels_of(windows, objects_of(truth, windows.device), settings)
        each = hinge(said, labels) if settings.classifier == "svm" else softmax_loss(said, labels)
        chosen = (labels > BACKGROUND) | hardest(each.detach(), labels, settings)
        found.append((each * chosen).sum() / chosen.sum().clamp(min=1))
        num_matches += int((labels > BACKGROUND).sum())
    sums = {"classification": torch.stack(found).sum()}
    return Losses.of(sums, weight=len(truths), num_matches=num_matches)


def labels_of(
    windows: Float[Tensor, "windows 4"], objects: Objects, settings: SlidingWindowSettings
) -> Int[Tensor, " windows"]:
    """What a window learns: a label, counted from 1, BACKGROUND or IGNORED.

    A window learns the object it overlaps most; each object has the window that overlaps it most,
    unless it overlaps them all as little as background.
    """
    labels = torch.full((len(windows),), BACKGROUND, device=windows.device)
    if not len(objects.labels):
        return labels
    overlap = pairwise_iou(windows, objects.boxes)
    most, nearest = overlap.max(dim=1)
    touched = most >= settings.background_iou
    favourite = (overlap == overlap.amax(dim=0)).any(dim=1)
    learns = touched & (favourite | (most >= settings.object_iou))
    labels[touched] = IGNORED
    return torch.where(learns, objects.labels[nearest] + 1, labels)


def hardest(
    losses: Float[Tensor, " windows"],
    labels: Int[Tensor, " windows"],
    settings: SlidingWindowSettings,
) -> Bool[Tensor, " windows"]:
    """The windows of background with the highest loss."""
    background = labels == BACKGROUND
    wanted = round(settings.negatives_per_positive * int((labels > BACKGROUND).sum()))
    number = min(max(wanted, settings.min_negatives), int(background.sum()))
    chosen = losses.masked_fill(~background, -math.inf).topk(number).indices
    return torch.zeros_like(background).index_fill(0, chosen, value=True)


def hinge(
    margins: Float[Tensor, "windows classes"], labels: Int[Tensor, " windows"]
) -> Float[Tensor, " windows"]:
    """The sum over the classes of max(0, 1 - y · margin): y is 1 for a window's own, else -1."""
    classes = torch.arange(margins.shape[1], device=margins.device)
    sign = torch.where(labels[:, None] - 1 == classes, 1.0, -1.0)
    return (1 - sign * margins).clamp(min=0).sum(dim=1)


def softmax_loss(
    logits: Float[Tensor, "windows columns"], labels: Int[Tensor, " windows"]
) -> Float[Tensor, " windows"]:
    """Cross-entropy; the first column is the background's."""
    return F.cross_entropy(logits, labels.clamp(min=BACKGROUND), reduction="none")
