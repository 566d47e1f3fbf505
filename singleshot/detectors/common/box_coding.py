"""Boxes as offsets from their priors, and back (SSD paper §2.2, equation 2).

The original divides the offsets by constants that it calls variances (bbox_util.cpp, `EncodeBBox`,
`DecodeBBox` with CENTER_SIZE): 0.1 for the centre, 0.2 for the logarithm of the size. They bring
all four to one magnitude.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from singleshot.boxes.geometry import to_centres, to_corners

__all__ = ["OFFSET_SCALES", "decode", "encode"]

OFFSET_SCALES = (0.1, 0.2)  # of centre and size

# exp(x) of a wild prediction would overflow; torchvision stops at the same value.
LARGEST_LOG_RATIO = math.log(1000 / 16)


def encode(
    boxes_unit: Float[Tensor, "*n 4"],
    priors_cxcywh_unit: Float[Tensor, "*n 4"],
    scales: tuple[float, float],
) -> Float[Tensor, "*n 4"]:
    """Encode boxes in corners as offsets from their priors, the targets of localization."""
    centre_scale, size_scale = scales
    boxes = to_centres(boxes_unit)
    prior_centres, prior_sizes = priors_cxcywh_unit[..., :2], priors_cxcywh_unit[..., 2:]
    centres = (boxes[..., :2] - prior_centres) / prior_sizes / centre_scale
    sizes = torch.log(boxes[..., 2:] / prior_sizes) / size_scale
    return torch.cat([centres, sizes], dim=-1)


def decode(
    offsets: Float[Tensor, "*n 4"],
    priors_cxcywh_unit: Float[Tensor, "*#n 4"],
    scales: tuple[float, float],
) -> Float[Tensor, "*n 4"]:
    """Decode offsets from priors into boxes: corners as fractions of the input."""
    centre_scale, size_scale = scales
    prior_centres, prior_sizes = priors_cxcywh_unit[..., :2], priors_cxcywh_unit[..., 2:]
    centres = offsets[..., :2] * centre_scale * prior_sizes + prior_centres
    ratios = torch.exp((offsets[..., 2:] * size_scale).clamp(max=LARGEST_LOG_RATIO))
    return to_corners(torch.cat([centres, ratios * prior_sizes], dim=-1))
