"""What a region proposal network learns from (Ren et al. 2015, §3.1.2 and §3.1.3)."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from singleshot.boxes.geometry import pairwise_iou
from singleshot.detectors.detector import Losses
from singleshot.detectors.rcnn.proposals import Proposed
from singleshot.detectors.rcnn.region_losses import sum_over_images, wanted_offsets
from singleshot.detectors.rcnn.region_sampling import IGNORED, Labelled, Objects, sample
from singleshot.detectors.rcnn.settings import ProposalSettings

__all__ = ["label_anchors", "proposal_losses", "with_proposal_losses", "within"]

OBJECT, NOTHING = 1, 0
BETA = 1 / 9  # where smooth L1 becomes straight: py-faster-rcnn's σ = 3


def with_proposal_losses(
    judged: Losses,
    proposed: Proposed,
    objects: Sequence[Objects],
    size: tuple[int, int],
    settings: ProposalSettings,
) -> Losses:
    """Add the terms of the proposal network to those of the classified regions."""
    localization, objectness = proposal_losses(proposed, objects, size, settings)
    weight = len(objects)
    with_boxes = judged.with_term("proposal_localization", localization, weight)
    return with_boxes.with_term("proposal_objectness", objectness, weight)


def proposal_losses(
    proposed: Proposed,
    objects: Sequence[Objects],
    size: tuple[int, int],
    settings: ProposalSettings,
) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """Localization and objectness: means over the sampled anchors of an image, added up."""
    boxes, logits = [], []
    for shown, objectness, offsets in zip(
        objects, proposed.objectness, proposed.offsets, strict=True
    ):
        labelled = label_anchors(proposed.anchors, shown, size, settings)
        known = (labelled.labels != IGNORED).nonzero()[:, 0]
        chosen = known[sample(labelled.positive[known], settings.sampled, settings.positives)]
        learned = labelled.chosen(chosen)
        logits.append(
            F.binary_cross_entropy_with_logits(
                objectness[chosen], learned.labels.float(), reduction="none"
            )
        )
        wanted = wanted_offsets(learned, settings.offset_scales)
        apart = F.smooth_l1_loss(offsets[chosen], wanted, beta=BETA, reduction="none").sum(dim=1)
        boxes.append(apart * learned.positive)
    numbers = [len(of_image) for of_image in logits]
    return (
        sum_over_images(torch.cat(boxes), numbers),
        sum_over_images(torch.cat(logits), numbers),
    )


def label_anchors(
    anchors: Float[Tensor, "n 4"],
    objects: Objects,
    size: tuple[int, int],
    settings: ProposalSettings,
) -> Labelled:
    """An object where an anchor overlaps one well, or better than all other anchors.

    Nothing where it overlaps none; all others, and those that leave the image, are ignored
    (py-faster-rcnn, lib/rpn/anchor_target_layer.py).
    """
    everywhere = torch.ones(len(anchors), dtype=torch.bool, device=anchors.device)
    takes_part = within(anchors, size) if settings.inside else everywhere
    if not len(objects.labels):
        return Labelled(anchors, torch.where(takes_part, NOTHING, IGNORED), anchors)
    overlaps = pairwise_iou(anchors, objects.boxes).masked_fill(~takes_part[:, None], -1)
    overlap, nearest = overlaps.max(dim=1)
    best = overlaps.max(dim=0).values
    is_best = ((overlaps == best) & (best > 0)).any(dim=1)
    labels = torch.where(overlap < settings.negative_iou, NOTHING, IGNORED)
    labels = torch.where(is_best | (overlap >= settings.positive_iou), OBJECT, labels)
    return Labelled(anchors, labels.masked_fill(~takes_part, IGNORED), objects.boxes[nearest])


def within(boxes: Float[Tensor, "n 4"], size: tuple[int, int]) -> Bool[Tensor, " n"]:
    """Which boxes do not leave an image of this (height, width)."""
    height, width = size
    limit = boxes.new_tensor([width, height])
    return ((boxes[:, :2] >= 0) & (boxes[:, 2:] <= limit)).all(dim=1)
