"""What happens to boxes when their image is cut, mirrored or resized."""

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["clip", "flip_horizontally", "move_into"]


def clip(boxes: Float[Tensor, "*n 4"], size: tuple[int, int]) -> Float[Tensor, "*n 4"]:
    """What lies inside an image of this (height, width)."""
    height, width = size
    return torch.minimum(boxes.clamp(min=0), boxes.new_tensor([width, height, width, height]))


def flip_horizontally(boxes: Float[Tensor, "*n 4"], width: float) -> Float[Tensor, "*n 4"]:
    """Mirrored left to right in an image of this width."""
    x1, y1, x2, y2 = boxes.unbind(-1)
    return torch.stack([width - x2, y1, width - x1, y2], dim=-1)


def move_into(
    boxes: Float[Tensor, "*n 4"], window: tuple[float, float, float, float], size: tuple[int, int]
) -> Float[Tensor, "*n 4"]:
    """Pixels of an image as those of its window (x1, y1, x2, y2), drawn at (height, width)."""
    x1, y1, x2, y2 = window
    height, width = size
    scale_x, scale_y = width / (x2 - x1), height / (y2 - y1)
    return (boxes - boxes.new_tensor([x1, y1, x1, y1])) * boxes.new_tensor(
        [scale_x, scale_y, scale_x, scale_y]
    )
