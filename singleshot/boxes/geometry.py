"""Coordinates, overlap and editing of boxes."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

__all__ = [
    "area",
    "clip",
    "contains",
    "flip_horizontally",
    "flip_vertically",
    "from_unit",
    "move_into",
    "pairwise_iou",
    "to_centres",
    "to_corners",
    "to_unit",
]

_TINY = 1e-12  # keeps 0 / 0 away; any real area is far larger


def to_centres(boxes: Float[Tensor, "*n 4"]) -> Float[Tensor, "*n 4"]:
    """Convert (x1, y1, x2, y2) to (centre x, centre y, width, height), in the same unit."""
    top_left, bottom_right = boxes[..., :2], boxes[..., 2:]
    return torch.cat([(top_left + bottom_right) / 2, bottom_right - top_left], dim=-1)


def to_corners(boxes_cxcywh: Float[Tensor, "*n 4"]) -> Float[Tensor, "*n 4"]:
    """Convert (centre x, centre y, width, height) to (x1, y1, x2, y2), in the same unit."""
    centre, half = boxes_cxcywh[..., :2], boxes_cxcywh[..., 2:] / 2
    return torch.cat([centre - half, centre + half], dim=-1)


def to_unit(boxes: Float[Tensor, "*n 4"], size: tuple[int, int]) -> Float[Tensor, "*n 4"]:
    """Convert pixels of an image of this (height, width) to fractions of it."""
    return boxes / _sides(boxes, size)


def from_unit(boxes_unit: Float[Tensor, "*n 4"], size: tuple[int, int]) -> Float[Tensor, "*n 4"]:
    """Convert fractions of an image of this (height, width) to its pixels."""
    return boxes_unit * _sides(boxes_unit, size)


def area(boxes: Float[Tensor, "*n 4"]) -> Float[Tensor, "*n"]:
    """Compute width times height of each box."""
    return (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])


def pairwise_iou(
    boxes: Float[Tensor, "*b n 4"], others: Float[Tensor, "*#b m 4"]
) -> Float[Tensor, "*b n m"]:
    """Compute the IoU of every box with every other; a box without area overlaps nothing.

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
    areas = area(boxes).clamp(min=0)[..., :, None], area(others).clamp(min=_TINY)[..., None, :]
    union = torch.add(*areas, out=height).sub_(intersection)
    return intersection.div_(union)


def contains(
    boxes: Float[Tensor, "*b n 4"], points: Float[Tensor, "points 2"]
) -> Bool[Tensor, "*b n points"]:
    """Mark the points inside each box; a point on its edge, or in an empty box, is outside."""
    x1, y1, x2, y2 = boxes[..., :, None, :].unbind(-1)
    x, y = points.unbind(-1)
    return (x > x1) & (x < x2) & (y > y1) & (y < y2)


def clip(boxes: Float[Tensor, "*n 4"], size: tuple[int, int]) -> Float[Tensor, "*n 4"]:
    """Clip boxes to an image of this (height, width)."""
    return torch.minimum(boxes.clamp(min=0), _sides(boxes, size))


def flip_horizontally(boxes: Float[Tensor, "*n 4"], width: float) -> Float[Tensor, "*n 4"]:
    """Flip boxes left to right in an image of this width."""
    x1, y1, x2, y2 = boxes.unbind(-1)
    return torch.stack([width - x2, y1, width - x1, y2], dim=-1)


def flip_vertically(boxes: Float[Tensor, "*n 4"], height: float) -> Float[Tensor, "*n 4"]:
    """Flip boxes top to bottom in an image of this height."""
    x1, y1, x2, y2 = boxes.unbind(-1)
    return torch.stack([x1, height - y2, x2, height - y1], dim=-1)


def move_into(
    boxes: Float[Tensor, "*n 4"], window: tuple[float, float, float, float], size: tuple[int, int]
) -> Float[Tensor, "*n 4"]:
    """Move boxes from an image into its window (x1, y1, x2, y2), drawn at (height, width)."""
    x1, y1, x2, y2 = window
    height, width = size
    scale_x, scale_y = width / (x2 - x1), height / (y2 - y1)
    return (boxes - boxes.new_tensor([x1, y1, x1, y1])) * boxes.new_tensor(
        [scale_x, scale_y, scale_x, scale_y]
    )


def _sides(boxes: Tensor, size: tuple[int, int]) -> Float[Tensor, "4"]:
    height, width = size
    return boxes.new_tensor([width, height, width, height])
