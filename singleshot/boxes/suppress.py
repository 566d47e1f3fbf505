"""Non-maximum suppression: of boxes that overlap much, the best stays."""

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torchvision.ops import nms

__all__ = ["suppress"]


def suppress(
    boxes: Float[Tensor, "n 4"],
    scores: Float[Tensor, " n"],
    labels: Int[Tensor, " n"],
    iou_threshold: float,
) -> Int[Tensor, " kept"]:
    """Indices that stay, best first; boxes of different labels never suppress each other.

    Label by label: boxes moved apart to be suppressed together (torchvision's `batched_nms`) lose
    digits, the more labels the more.
    """
    if not len(boxes):
        return labels
    # In the precision of the boxes, or an overlap of exactly the threshold would not stay.
    threshold = boxes.new_tensor(iou_threshold).item()
    by_label = labels.argsort(stable=True)
    counts = [count for count in labels.bincount().tolist() if count]
    parts = [
        tensor.split_with_sizes(counts) for tensor in (by_label, boxes[by_label], scores[by_label])
    ]
    kept = torch.cat(
        [
            indices if len(indices) == 1 else indices[nms(some, their_scores, threshold)]
            for indices, some, their_scores in zip(*parts, strict=True)
        ]
    )
    return kept[scores[kept].argsort(descending=True, stable=True)]
