"""Multi-task loss of Fast R-CNN (Girshick 2015, §2.3), and the coding of its boxes."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from singleshot.boxes.geometry import to_centres
from singleshot.detectors.common.box_coding import decode, encode
from singleshot.detectors.common.regions import LabelledRegions, sum_over_images
from singleshot.detectors.detector import Losses

__all__ = [
    "RegionCosts",
    "decode_regions",
    "fast_rcnn_losses",
    "offset_targets",
    "offsets_of_label",
    "region_costs",
]

# py-faster-rcnn's BBOX_NORMALIZE_STDS, SSD's variances: of the centre, of the size.
OFFSET_SCALES = (0.1, 0.2)


class RegionCosts(NamedTuple):
    """Costs of each region."""

    classification: Float[Tensor, " n"]  # cross-entropy
    localization: Float[Tensor, " n"]  # smooth L1, summed over four numbers; 0 of background


def fast_rcnn_losses(
    logits: Float[Tensor, "n columns"],
    offsets: Float[Tensor, "n columns 4"],
    sampled: Sequence[LabelledRegions],
) -> Losses:
    """Average the costs of sampled regions over those of an image, then over images."""
    labelled = LabelledRegions(*(torch.cat(parts) for parts in zip(*sampled, strict=True)))
    costs = region_costs(logits, offsets_of_label(offsets, labelled.labels), labelled)
    numbers = [len(of_image.labels) for of_image in sampled]
    sums = {
        "localization": sum_over_images(costs.localization, numbers),
        "classification": sum_over_images(costs.classification, numbers),
    }
    num_matches = int(labelled.positive.sum())
    return Losses.of(sums, weight=len(sampled), num_matches=num_matches)


def region_costs(
    logits: Float[Tensor, "n columns"], offsets: Float[Tensor, "n 4"], labelled: LabelledRegions
) -> RegionCosts:
    """Compute the multi-task loss of each region (Girshick 2015, §2.3, equations 1 to 3)."""
    classification = F.cross_entropy(logits.float(), labelled.labels, reduction="none")
    distance = F.smooth_l1_loss(offsets.float(), offset_targets(labelled), reduction="none")
    return RegionCosts(classification, distance.sum(dim=1) * labelled.positive)


def offsets_of_label(
    offsets: Float[Tensor, "n columns 4"], labels: Int[Tensor, " n"]
) -> Float[Tensor, "n 4"]:
    """Select the offsets that each region has for its label."""
    return offsets[torch.arange(len(labels), device=labels.device), labels]


def offset_targets(
    labelled: LabelledRegions, scales: tuple[float, float] = OFFSET_SCALES
) -> Float[Tensor, "n 4"]:
    """Encode the object of each region relative to the region; 0 for background."""
    offsets = torch.zeros_like(labelled.regions)
    positive = labelled.select(labelled.positive)
    offsets[labelled.positive] = encode(positive.truths, to_centres(positive.regions), scales)
    return offsets


def decode_regions(
    offsets: Float[Tensor, "n columns 4"],
    regions: Float[Tensor, "n 4"],
    scales: tuple[float, float] = OFFSET_SCALES,
) -> Float[Tensor, "n columns 4"]:
    """Decode the box of each region and column."""
    return decode(offsets.float(), to_centres(regions)[:, None].expand_as(offsets), scales)
