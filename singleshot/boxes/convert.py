"""Between corners and centres, and between pixels and fractions of the image."""

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["from_unit", "to_centres", "to_corners", "to_unit"]


def to_centres(boxes: Float[Tensor, "*n 4"]) -> Float[Tensor, "*n 4"]:
    """(x1, y1, x2, y2) as (centre x, centre y, width, height), in the same unit."""
    top_left, bottom_right = boxes[..., :2], boxes[..., 2:]
    return torch.cat([(top_left + bottom_right) / 2, bottom_right - top_left], dim=-1)


def to_corners(boxes_cxcywh: Float[Tensor, "*n 4"]) -> Float[Tensor, "*n 4"]:
    """(centre x, centre y, width, height) as (x1, y1, x2, y2), in the same unit."""
    centre, half = boxes_cxcywh[..., :2], boxes_cxcywh[..., 2:] / 2
    return torch.cat([centre - half, centre + half], dim=-1)


def to_unit(boxes: Float[Tensor, "*n 4"], size: tuple[int, int]) -> Float[Tensor, "*n 4"]:
    """Pixels of an image of this (height, width) as fractions of it."""
    return boxes / sides(boxes, size)


def from_unit(boxes_unit: Float[Tensor, "*n 4"], size: tuple[int, int]) -> Float[Tensor, "*n 4"]:
    """Fractions of an image of this (height, width) as its pixels."""
    return boxes_unit * sides(boxes_unit, size)


def sides(boxes: Tensor, size: tuple[int, int]) -> Float[Tensor, "4"]:
    height, width = size
    return boxes.new_tensor([width, height, width, height])
