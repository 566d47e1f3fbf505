"""How much boxes overlap."""

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["area", "pairwise_iou"]

TINY = 1e-12  # keeps 0 / 0 away; any real union is far larger


def area(boxes: Float[Tensor, "*n 4"]) -> Float[Tensor, "*n"]:
    """Width times height."""
    return (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])


def pairwise_iou(
    boxes: Float[Tensor, "*b n 4"], others: Float[Tensor, "*#b m 4"]
) -> Float[Tensor, "*b n m"]:
    """Overlap of every box with every other; a box without area overlaps nothing.

    Coordinates are taken one by one: a (n, m, 2) array of corners would cost twice the time.
    """
    x1, y1, x2, y2 = boxes[..., :, None, :].unbind(-1)
    others_x1, others_y1, others_x2, others_y2 = others[..., None, :, :].unbind(-1)
    width = (torch.minimum(x2, others_x2) - torch.maximum(x1, others_x1)).clamp_(min=0)
    height = (torch.minimum(y2, others_y2) - torch.maximum(y1, others_y1)).clamp_(min=0)
    intersection = width.mul_(height)
    union = area(boxes)[..., :, None] + area(others)[..., None, :] - intersection
    return intersection / union.clamp_(min=TINY)
