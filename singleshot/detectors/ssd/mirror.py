"""Looking at the mirrored image, too."""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["Said", "mirrored", "together"]


class Said(NamedTuple):
    """What the network says of images, and at which priors."""

    offsets: Float[Tensor, "b priors 4"]
    logits: Float[Tensor, "b priors columns"]
    priors_cxcywh_unit: Float[Tensor, "priors 4"]


def mirrored(said: Said) -> Said:
    """The same of the images' mirror images: each prior is mirrored with its box."""
    offsets, logits, priors = said
    x, rest = priors[:, :1], priors[:, 1:]
    back = torch.cat([-offsets[..., :1], offsets[..., 1:]], dim=-1)
    return Said(back, logits, torch.cat([1 - x, rest], dim=1))


def together(said: Said, also: Said) -> Said:
    """All that was said, at all priors.

    Suppression then decides: it takes the better of two boxes, or, where it is 'weighted', their
    mean. Averaging prior by prior instead would want grids that are their own mirror images; those
    of SSD300 are not, since their strides lead beyond the image on one side.
    """
    return Said(
        torch.cat([said.offsets, also.offsets], dim=1),
        torch.cat([said.logits, also.logits], dim=1),
        torch.cat([said.priors_cxcywh_unit, also.priors_cxcywh_unit]),
    )
