"""What a wrong box costs: by its offsets, as in the paper, or by its overlap with the truth."""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor
from torchvision.ops import (
    complete_box_iou_loss,
    distance_box_iou_loss,
    generalized_box_iou_loss,
)

from singleshot.boxes.geometry import from_unit
from singleshot.detectors.common.box_coding import decode, encode
from singleshot.detectors.ssd.settings import SsdSettings

__all__ = ["box_losses"]


def box_losses(
    offsets: Float[Tensor, "n 4"],
    truths_unit: Float[Tensor, "n 4"],
    priors_cxcywh_unit: Float[Tensor, "n 4"],
    settings: SsdSettings,
) -> Float[Tensor, " n"]:
    """The loss of each box, `settings.loss.localization`.

    Overlaps are of decoded boxes in pixels of the input: the distances and aspect ratios in DIoU
    and CIoU (Zheng et al. 2020) would be distorted in fractions of an image that is not square.
    """
    scales, kind = settings.priors.offset_scales, settings.loss.localization
    if kind == "smooth-l1":
        wanted = encode(truths_unit, priors_cxcywh_unit, scales)
        return F.smooth_l1_loss(offsets, wanted, reduction="none").sum(dim=-1)
    said = from_unit(decode(offsets, priors_cxcywh_unit, scales), settings.input)
    truths = from_unit(truths_unit, settings.input)
    overlap_loss = {
        "giou": generalized_box_iou_loss,  # Rezatofighi et al. 2019
        "diou": distance_box_iou_loss,
        "ciou": complete_box_iou_loss,
    }[kind]
    loss: Tensor = overlap_loss(said, truths, reduction="none")
    return loss
