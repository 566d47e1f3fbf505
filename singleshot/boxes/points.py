"""Points and boxes."""

from jaxtyping import Bool, Float
from torch import Tensor

__all__ = ["contains"]


def contains(
    boxes: Float[Tensor, "*b n 4"], points: Float[Tensor, "points 2"]
) -> Bool[Tensor, "*b n points"]:
    """Whether each point is inside each box and not on its edge; nothing is in an empty box."""
    x1, y1, x2, y2 = boxes[..., :, None, :].unbind(-1)
    x, y = points.unbind(-1)
    return (x > x1) & (x < x2) & (y > y1) & (y < y2)
