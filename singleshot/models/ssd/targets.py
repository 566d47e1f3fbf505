"""What each prior should say: which of them learn an object, and how well they say it already."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from singleshot.boxes.convert import to_corners, to_unit
from singleshot.boxes.iou import pairwise_iou
from singleshot.models.ssd.matching import UNMATCHED, match
from singleshot.models.ssd.offsets import decode
from singleshot.recipes.model import ModelSettings
from singleshot.structures import Truth

__all__ = ["Matched", "match_priors"]


class Matched(NamedTuple):
    """The priors of a batch that learn an object, picture by picture."""

    image: Int[Tensor, " n"]
    prior: Int[Tensor, " n"]
    labels: Int[Tensor, " n"]
    boxes_unit: Float[Tensor, "n 4"]  # of their objects
    quality: Float[Tensor, " n"]  # what their score should become, for losses that ask for it
    weight: Float[Tensor, " n"]  # how much they count; 1 but for the task-aligned rule

    @property
    def total_weight(self) -> Float[Tensor, ""]:
        """What losses are divided by: the number of matches; 1 where there are none."""
        return self.weight.sum().clamp(min=1)


@torch.no_grad()
def match_priors(
    truths: Sequence[Truth],
    priors_cxcywh_unit: Float[Tensor, "priors 4"],
    settings: ModelSettings,
    *,
    offsets: Float[Tensor, "b priors 4"],
) -> Matched:
    """Match by the rule `settings.matching.rule`; crowds are not learned."""
    device = priors_cxcywh_unit.device
    packed = padded([truth[~truth.crowd] for truth in truths])
    boxes, labels = (tensor.to(device, non_blocking=True) for tensor in packed)
    boxes_unit = to_unit(boxes, settings.input)
    iou = pairwise_iou(boxes_unit, to_corners(priors_cxcywh_unit))
    matches = match(iou, settings.matching.iou_threshold)
    image, prior = (matches != UNMATCHED).nonzero(as_tuple=True)
    truth = matches[image, prior]
    wanted = boxes_unit[image, truth]
    said = decode(offsets[image, prior], priors_cxcywh_unit[prior], settings.priors.offset_scales)
    quality = pairwise_iou(said[:, None], wanted[:, None])[:, 0, 0]
    return Matched(image, prior, labels[image, truth], wanted, quality, torch.ones_like(quality))


def padded(truths: Sequence[Truth]) -> tuple[Float[Tensor, "b n 4"], Int[Tensor, "b n"]]:
    """Boxes and labels of a batch, filled up with boxes of zeros, which overlap nothing."""
    # One row at least, so that a batch without objects needs no path of its own.
    empty = truths[0].boxes.new_zeros(1, 4), truths[0].labels.new_zeros(1)
    boxes = [empty[0], *(truth.boxes for truth in truths)]
    labels = [empty[1], *(truth.labels for truth in truths)]
    pad = nn.utils.rnn.pad_sequence
    return pad(boxes, batch_first=True)[1:], pad(labels, batch_first=True)[1:]
