"""How much boxes overlap."""

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["area", "pairwise_iou"]

TINY = 1e-12  # keeps 0 / 0 away; any real area is far larger


def area(boxes: Float[Tensor, "*n 4"]) -> Float[Tensor, "*n"]:
    """Width times height."""
    return (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])


def pairwise_iou(
    boxes: Float[Tensor, "*b n 4"], others: Float[Tensor, "*#b m 4"]
) -> Float[Tensor, "*b n m"]:
    """Overlap of every box with every other; a box without area overlaps nothing.

    Coordinates are taken one by one, since a (n, m, 2) array of corners would cost twice the time,
    and results are written over what is no longer needed: it has no gradient.
    """
    x1, y1, x2, y2 = boxes[..., :, None, :].unbind(-1)
    # Side by side in memory, a coordinate of all others is read several numbers at once.
    others_x1, others_y1, others_x2, others_y2 = (
        others[..., None, :, :].movedim(-1, 0).contiguous().unbind(0)
    )
    width = torch.minimum(x2, others_x2).sub_(torch.maximum(x1, others_x1)).clamp_(min=0)
    height = torch.minimum(y2, others_y2).sub_(torch.maximum(y1, others_y1)).clamp_(min=0)
    intersection = width.mul_(height)
    areas = area(boxes).clamp(min=0)[..., :, None], area(others).clamp(min=TINY)[..., None, :]
    union = torch.add(*areas, out=height).sub_(intersection)
    return intersection.div_(union)
