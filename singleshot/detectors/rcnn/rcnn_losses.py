"""What R-CNN's machines and its box regression minimise, of one image."""

import torch
from jaxtyping import Float
from torch import Tensor

from singleshot.boxes.geometry import pairwise_iou
from singleshot.detectors.rcnn.region_layers import of_label
from singleshot.detectors.rcnn.region_losses import wanted_offsets
from singleshot.detectors.rcnn.region_sampling import Labelled, Objects
from singleshot.detectors.rcnn.settings import StageSettings

__all__ = ["box_costs", "machine_costs"]


def machine_costs(
    outputs: Float[Tensor, "m classes"],
    regions: Float[Tensor, "n 4"],
    objects: Objects,
    settings: StageSettings,
) -> Float[Tensor, ""]:
    """Hinge losses max(0, 1 - y f) of all machines, on average over classes and examples.

    `outputs` are f of the regions, then of the truths. A machine's positives are the truths of its
    class; its negatives those regions with the greatest outputs that overlap none of them by
    `machine_negative_iou` (§2.3, rcnn_train.m).
    """
    of_regions, of_truths = outputs.float().tensor_split([len(regions)])
    columns = torch.arange(outputs.shape[1], device=outputs.device)
    is_own = objects.labels[:, None] == columns
    overlaps = pairwise_iou(regions, objects.boxes)[:, :, None] * is_own
    # With a row of zeros, since there may be no truth.
    overlap = torch.cat([torch.zeros_like(of_regions)[:, None], overlaps], dim=1).amax(dim=1)
    of_negatives = of_regions.masked_fill(overlap >= settings.machine_negative_iou, -torch.inf)
    hard = of_negatives.topk(min(settings.hard_negatives, len(regions)), dim=0).values
    negatives = (1 + hard).clamp(min=0)
    positives = settings.machine_positive_weight * (1 - of_truths).clamp(min=0) * is_own
    number = int(hard.isfinite().sum() + is_own.sum())
    cost: Tensor = (positives.sum() + negatives.sum()) / max(number, 1)
    return cost


def box_costs(offsets: Float[Tensor, "n classes 4"], labelled: Labelled) -> Float[Tensor, ""]:
    """Half the squared distance from each region's offsets of its class to those wanted, averaged.

    Regions all show an object; without any the cost is 0 (appendix C, equation 5).
    """
    said = of_label(offsets.float(), labelled.labels - 1)
    apart = (said - wanted_offsets(labelled, (1.0, 1.0))).square().sum(dim=1)
    return apart.sum() / (2 * max(len(labelled.labels), 1))
