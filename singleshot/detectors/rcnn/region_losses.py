"""What regions that say the wrong thing cost."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from singleshot.boxes.geometry import to_centres
from singleshot.detectors.common.box_coding import decode, encode
from singleshot.detectors.detector import Losses
from singleshot.detectors.rcnn.region_layers import of_label
from singleshot.detectors.rcnn.region_sampling import Labelled

__all__ = [
    "Costs",
    "costs_of",
    "decoded",
    "losses_of",
    "sum_over_images",
    "wanted_offsets",
]

# What py-faster-rcnn calls BBOX_NORMALIZE_STDS, and SSD its variances: of the centre, of the size.
OFFSET_SCALES = (0.1, 0.2)


class Costs(NamedTuple):
    """Of each region."""

    classification: Float[Tensor, " n"]  # cross-entropy
    localization: Float[Tensor, " n"]  # smooth L1, summed over four numbers; 0 of background


def losses_of(
    logits: Float[Tensor, "n columns"],
    offsets: Float[Tensor, "n columns 4"],
    sampled: Sequence[Labelled],
) -> Losses:
    """Average the costs of sampled regions over those of an image, then over images."""
    labelled = Labelled(*(torch.cat(parts) for parts in zip(*sampled, strict=True)))
    costs = costs_of(logits, of_label(offsets, labelled.labels), labelled)
    numbers = [len(of_image.labels) for of_image in sampled]
    sums = {
        "localization": sum_over_images(costs.localization, numbers),
        "classification": sum_over_images(costs.classification, numbers),
    }
    num_matches = int(labelled.positive.sum())
    return Losses.of(sums, weight=len(sampled), num_matches=num_matches)


def costs_of(
    logits: Float[Tensor, "n columns"], offsets: Float[Tensor, "n 4"], labelled: Labelled
) -> Costs:
    """The multi-task loss (Girshick 2015, §2.3, equations 1 to 3), region by region."""
    classification = F.cross_entropy(logits.float(), labelled.labels, reduction="none")
    apart = F.smooth_l1_loss(offsets.float(), wanted_offsets(labelled), reduction="none")
    return Costs(classification, apart.sum(dim=1) * labelled.positive)


def wanted_offsets(
    labelled: Labelled, scales: tuple[float, float] = OFFSET_SCALES
) -> Float[Tensor, "n 4"]:
    """From each region to its object; 0 for background, which may be anywhere."""
    offsets = torch.zeros_like(labelled.regions)
    shown = labelled.chosen(labelled.positive)
    offsets[labelled.positive] = encode(shown.truths, to_centres(shown.regions), scales)
    return offsets


def decoded(
    offsets: Float[Tensor, "n columns 4"],
    regions: Float[Tensor, "n 4"],
    scales: tuple[float, float] = OFFSET_SCALES,
) -> Float[Tensor, "n columns 4"]:
    """The boxes that regions say, one for each column."""
    return decode(offsets.float(), to_centres(regions)[:, None].expand_as(offsets), scales)


def sum_over_images(costs: Float[Tensor, " n"], numbers: Sequence[int]) -> Float[Tensor, ""]:
    """Add up the mean cost of each image; `numbers` are the counts of costs of the images.

    An image without any costs nothing.
    """
    of_images = costs.split_with_sizes(list(numbers))
    return torch.stack([some.sum() / max(len(some), 1) for some in of_images]).sum()
