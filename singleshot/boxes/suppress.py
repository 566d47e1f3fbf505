"""Non-maximum suppression: of boxes that overlap much, the best stays."""

from jaxtyping import Float, Int
from torch import Tensor
from torchvision.ops import batched_nms

__all__ = ["suppress"]


def suppress(
    boxes: Float[Tensor, "n 4"],
    scores: Float[Tensor, " n"],
    labels: Int[Tensor, " n"],
    iou_threshold: float,
) -> Int[Tensor, " kept"]:
    """Indices that stay, best first; boxes of different labels never suppress each other."""
    if not len(boxes):
        return labels
    # It moves each label's boxes apart by the largest coordinate, so none may be negative.
    kept: Tensor = batched_nms(boxes - boxes.amin(), scores, labels, iou_threshold)
    return kept
