"""From raw outputs to detections, as the original's `detection_output_layer.cpp` does it."""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from singleshot.boxes.convert import from_unit
from singleshot.boxes.edit import clip
from singleshot.boxes.suppress import suppress
from singleshot.models.ssd import BACKGROUND
from singleshot.models.ssd.offsets import decode
from singleshot.recipes.model import ModelSettings, ResultSettings
from singleshot.structures import Detections

__all__ = ["detections"]


def detections(
    offsets: Float[Tensor, "b priors 4"],
    logits: Float[Tensor, "b priors columns"],
    priors_cxcywh_unit: Float[Tensor, "priors 4"],
    sizes: list[tuple[int, int]],
    settings: ModelSettings,
) -> list[Detections]:
    """Softmax, threshold, the best of each class, suppression, the best of all.

    `sizes` are the (height, width) of the pictures given; boxes come back in their pixels.
    """
    boxes_unit = decode(offsets, priors_cxcywh_unit, settings.priors.offset_scales)
    if settings.heads.scores == "softmax":
        end = logits.shape[-1] - settings.heads.unused_columns
        scores = F.softmax(logits, dim=-1)[..., BACKGROUND + 1 : end]
    else:
        scores = logits.sigmoid()
    return [
        of_one_image(from_unit(boxes, size), image_scores, size, settings.results)
        for boxes, image_scores, size in zip(boxes_unit, scores, sizes, strict=True)
    ]


def of_one_image(
    boxes: Float[Tensor, "priors 4"],
    scores: Float[Tensor, "priors classes"],
    size: tuple[int, int],
    settings: ResultSettings,
) -> Detections:
    """The detections of one picture, best first, clipped to it."""
    top = min(settings.top_k, len(boxes))
    best, prior = scores.topk(top, dim=0)
    rank, label = (best > settings.score_threshold).nonzero(as_tuple=True)
    candidates = Detections(boxes[prior[rank, label]], best[rank, label], label)
    if settings.clip_before_suppression:
        candidates = clipped(candidates, size)
    kept = suppress(candidates.boxes, candidates.scores, candidates.labels, settings.iou_threshold)
    return clipped(candidates[kept[: settings.keep]], size)


def clipped(found: Detections, size: tuple[int, int]) -> Detections:
    return Detections(clip(found.boxes, size), found.scores, found.labels)
